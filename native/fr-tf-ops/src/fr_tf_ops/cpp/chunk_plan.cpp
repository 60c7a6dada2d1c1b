#include "chunk_plan.hpp"

#include <algorithm>

namespace fr_tf_ops {
namespace {

// Rows of a chunk, a multiple of what a tile of a product takes. With 512 elements a row they fill a quarter
// of a second-level cache of 1 MiB, beside their products.
constexpr std::size_t kChunkRows = 120;
// A block's own sums cost about half a chunk: many chunks a block, but for a few blocks that few classes have
// too.
constexpr std::size_t kBlockChunks = 16;
constexpr std::size_t kFewestBlocks = 8;
constexpr std::size_t kMostBlocks = 64;
constexpr std::size_t kBlockBytes = std::size_t{48} << 20;

std::size_t power_of_two_up_to(std::size_t value) {
  std::size_t power = 1;
  while (2 * power <= value) power *= 2;
  return power;
}

}  // namespace

ChunkPlan::ChunkPlan(std::size_t classes, std::size_t parts, std::size_t block_bytes)
    : classes_(classes),
      chunk_classes_(
          std::min(std::max<std::size_t>(kChunkRows / parts, 1), std::max<std::size_t>(classes, 1))),
      chunks_((classes + chunk_classes_ - 1) / chunk_classes_) {
  const std::size_t affordable = std::max(kFewestBlocks, kBlockBytes / std::max<std::size_t>(block_bytes, 1));
  const std::size_t worthwhile = std::max(chunks_ / kBlockChunks, std::min(chunks_ / 2, kFewestBlocks));
  blocks_ = power_of_two_up_to(std::min({affordable, worthwhile, kMostBlocks}));
}

Chunk ChunkPlan::chunk(std::size_t number) const {
  const std::size_t first = number * chunk_classes_;
  return {first, std::min(chunk_classes_, classes_ - first)};
}

}  // namespace fr_tf_ops
