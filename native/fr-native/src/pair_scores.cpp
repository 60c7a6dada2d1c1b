#include "pair_scores.hpp"

#include <algorithm>
#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

#include "kernels/kernels.hpp"

namespace fr {
namespace {

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

// Pairs ordered by blocks of their second rows, in their order otherwise: lists of pairs mostly come grouped
// by their first rows, and a block of second rows fits into a core's cache.
std::vector<std::size_t> by_second_block(Span<std::int64_t> second, std::size_t rows) {
  const auto block_of = [](std::int64_t row) { return static_cast<std::size_t>(row) / kBlockRows; };
  std::vector<std::size_t> next(rows / kBlockRows + 2, 0);
  for (const std::int64_t row : second) ++next[block_of(row) + 1];
  std::partial_sum(next.begin(), next.end(), next.begin());
  std::vector<std::size_t> order(second.size);
  for (std::size_t p = 0; p < second.size; ++p) order[next[block_of(second[p])]++] = p;
  return order;
}

}  // namespace

void pair_scores(const Rows& rows, Span<std::int64_t> first, Span<std::int64_t> second, float* scores,
                 const Run& run) {
  check_range(first, "first row", rows.count);
  check_range(second, "second row", rows.count);
  const NormedRows normed(rows, "embeddings", run);
  const std::vector<std::size_t> order = by_second_block(second, rows.count);
  const std::size_t blocks = (first.size + kBlockPairs - 1) / kBlockPairs;
  parallel_blocks(blocks, run, [&](std::size_t block, const StopFlag& stop) {
    std::vector<float> unit(normed.padded_dim());
    std::int64_t held = kNone;
    const std::size_t end = std::min(first.size, (block + 1) * kBlockPairs);
    for (std::size_t n = block * kBlockPairs; n < end && !stop; ++n) {
      const std::size_t pair = order[n];
      if (first[pair] != held) {
        held = first[pair];
        normed.store_unit(static_cast<std::size_t>(held), unit.data());
      }
      scores[pair] = normed.score(unit.data(), static_cast<std::size_t>(second[pair]));
    }
  });
}

}  // namespace fr
