#include "pair_scores.hpp"

#include <algorithm>
#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

#include "kernels/kernels.hpp"

namespace fr {
namespace {

constexpr std::size_t kPairsTogether = std::size_t{1} << 22;  // whose order takes 24 bytes a pair
constexpr std::size_t kBlockPairs = std::size_t{1} << 13;
constexpr std::size_t kBlockRows = 256;
constexpr std::size_t kAhead = 4;  // pairs whose rows are fetched while one is scored

struct Pair {
  std::uint32_t first;
  std::uint32_t second;
  std::uint32_t place;  // among the pairs scored together
};

void check_range(Span<std::int64_t> rows, const char* what, std::size_t size) {
  const auto bad = std::find_if(rows.begin(), rows.end(), [size](std::int64_t row) {
    return row < 0 || static_cast<std::size_t>(row) >= size;
  });
  if (bad == rows.end()) return;
  throw std::out_of_range(std::string(what) + " of pair " + std::to_string(bad - rows.begin()) + " is " +
                          std::to_string(*bad) + ", expected a row from 0 to " + std::to_string(size - 1));
}

// Counting sort: stable, by key(pair) < keys.
template <typename Key>
void order(const std::vector<Pair>& pairs, std::size_t keys, const Key& key, std::vector<Pair>& ordered) {
  std::vector<std::uint32_t> next(keys + 1, 0);
  for (const Pair& pair : pairs) ++next[key(pair) + 1];
  std::partial_sum(next.begin(), next.end(), next.begin());
  ordered.resize(pairs.size());
  for (const Pair& pair : pairs) ordered[next[key(pair)]++] = pair;
}

// Pairs by block of second rows, which fits into a core's cache, then by first row, which is normalised once.
std::vector<Pair> by_rows(Span<std::int64_t> first, Span<std::int64_t> second, std::size_t rows) {
  std::vector<Pair> pairs(first.size);
  std::vector<Pair> by_first;
  for (std::size_t p = 0; p < first.size; ++p) {
    pairs[p] = {static_cast<std::uint32_t>(first[p]), static_cast<std::uint32_t>(second[p]),
                static_cast<std::uint32_t>(p)};
  }
  order(pairs, rows, [](const Pair& pair) { return pair.first; }, by_first);
  order(by_first, rows / kBlockRows + 1, [](const Pair& pair) { return pair.second / kBlockRows; }, pairs);
  return pairs;
}

void score_together(const NormedRows& rows, Span<std::int64_t> first, Span<std::int64_t> second,
                    float* scores, const Run& run) {
  const std::vector<Pair> pairs = by_rows(first, second, rows.size());
  const std::size_t blocks = (pairs.size() + kBlockPairs - 1) / kBlockPairs;
  parallel_blocks(blocks, run, [&](std::size_t block, const StopFlag& stop) {
    std::vector<float> unit(rows.padded_dim());
    const std::size_t begin = block * kBlockPairs;
    const std::size_t end = std::min(pairs.size(), begin + kBlockPairs);
    for (std::size_t n = begin; n < end && !stop; ++n) {
      const Pair& pair = pairs[n];
      const Pair& ahead = pairs[std::min(n + kAhead, end - 1)];
      rows.prefetch(ahead.first);
      rows.prefetch(ahead.second);
      if (n == begin || pair.first != pairs[n - 1].first) rows.store_unit(pair.first, unit.data());
      scores[pair.place] = rows.score(unit.data(), pair.second);
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
