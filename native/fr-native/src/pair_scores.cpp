#include "pair_scores.hpp"

#include <algorithm>
#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

#include "kernels/kernels.hpp"

namespace fr {
namespace {

constexpr std::size_t kPairsTogether = std::size_t{1} << 24;  // their order takes 8 bytes a pair
constexpr std::size_t kBlockPairs = std::size_t{1} << 14;
constexpr std::size_t kBlockRows = 256;
constexpr std::int64_t kNone = -1;

void check_range(Span<std::int64_t> rows, const char* what, std::size_t size) {
  const auto bad = std::find_if(rows.begin(), rows.end(), [size](std::int64_t row) {
    return row < 0 || static_cast<std::size_t>(row) >= size;
  });
  if (bad == rows.end()) return;
  throw std::out_of_range(std::string(what) + " of pair " + std::to_string(bad - rows.begin()) + " is " +
                          std::to_string(*bad) + ", expected a row from 0 to " + std::to_string(size - 1));
}

// Stable order of `pairs` by key(pair) < keys.
template <typename Key>
std::vector<std::uint32_t> ordered(const std::vector<std::uint32_t>& pairs, std::size_t keys,
                                   const Key& key) {
  std::vector<std::uint32_t> next(keys + 1, 0);
  for (const std::uint32_t pair : pairs) ++next[key(pair) + 1];
  std::partial_sum(next.begin(), next.end(), next.begin());
  std::vector<std::uint32_t> order(pairs.size());
  for (const std::uint32_t pair : pairs) order[next[key(pair)]++] = pair;
  return order;
}

// Pairs by block of second rows, which fits into a core's cache, then by first row, which is normalised once.
std::vector<std::uint32_t> by_rows(Span<std::int64_t> first, Span<std::int64_t> second, std::size_t rows) {
  std::vector<std::uint32_t> pairs(first.size);
  std::iota(pairs.begin(), pairs.end(), 0u);
  pairs = ordered(pairs, rows, [&](std::uint32_t p) { return static_cast<std::size_t>(first[p]); });
  return ordered(pairs, rows / kBlockRows + 1,
                 [&](std::uint32_t p) { return static_cast<std::size_t>(second[p]) / kBlockRows; });
}

void score_together(const NormedRows& rows, Span<std::int64_t> first, Span<std::int64_t> second,
                    float* scores, const Run& run) {
  const std::vector<std::uint32_t> order = by_rows(first, second, rows.size());
  const std::size_t blocks = (first.size + kBlockPairs - 1) / kBlockPairs;
  parallel_blocks(blocks, run, [&](std::size_t block, const StopFlag& stop) {
    std::vector<float> unit(rows.padded_dim());
    std::int64_t held = kNone;
    const std::size_t end = std::min(first.size, (block + 1) * kBlockPairs);
    for (std::size_t n = block * kBlockPairs; n < end && !stop; ++n) {
      const std::size_t pair = order[n];
      if (first[pair] != held) {
        held = first[pair];
        rows.store_unit(static_cast<std::size_t>(held), unit.data());
      }
      scores[pair] = rows.score(unit.data(), static_cast<std::size_t>(second[pair]));
    }
  });
}

}  // namespace

void pair_scores(const Rows& rows, Span<std::int64_t> first, Span<std::int64_t> second, float* scores,
                 const Run& run) {
  check_range(first, "first row", rows.count);
  check_range(second, "second row", rows.count);
  const NormedRows normed(rows, "embeddings", run);
  for (std::size_t begin = 0; begin < first.size; begin += kPairsTogether) {
    const std::size_t count = std::min(kPairsTogether, first.size - begin);
    score_together(normed, {first.data + begin, count}, {second.data + begin, count}, scores + begin, run);
  }
}

}  // namespace fr
