#include "pair_scores.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>

#include "kernels/kernels.hpp"

namespace fr {
namespace {

constexpr std::size_t kBlockPairs = std::size_t{1} << 14;

void check_range(Span<std::int64_t> rows, const char* what, std::size_t size) {
  const auto bad = std::find_if(rows.begin(), rows.end(), [size](std::int64_t row) {
    return row < 0 || static_cast<std::size_t>(row) >= size;
  });
  if (bad == rows.end()) return;
  throw std::out_of_range(std::string(what) + " of pair " + std::to_string(bad - rows.begin()) + " is " +
                          std::to_string(*bad) + ", expected a row from 0 to " + std::to_string(size - 1));
}

}  // namespace

void pair_scores(const Rows& rows, Span<std::int64_t> first, Span<std::int64_t> second, float* scores,
                 const Run& run) {
  check_range(first, "first row", rows.count);
  check_range(second, "second row", rows.count);
  const UnitRows unit(rows, "embeddings", run);
  const Kernels& kernel = kernels();
  const std::size_t blocks = (first.size + kBlockPairs - 1) / kBlockPairs;
  parallel_blocks(blocks, run, [&](std::size_t block, const StopFlag&) {
    const std::size_t end = std::min(first.size, (block + 1) * kBlockPairs);
    for (std::size_t p = block * kBlockPairs; p < end; ++p) {
      scores[p] = static_cast<float>(kernel.dot_f64(unit.row(static_cast<std::size_t>(first[p])),
                                                    unit.row(static_cast<std::size_t>(second[p])),
                                                    unit.padded_dim()));
    }
  });
}

}  // namespace fr
