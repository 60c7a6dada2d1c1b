// How the classes are cut: chunks of a few rows, which stay in a core's cache, and blocks of chunks, which
// are what threads take. Both depend on shapes only: sums within a block go in the order of its chunks and
// sums of blocks in the order of these, so no result depends on the number of threads.
#pragma once

#include <cstddef>

namespace fr_tf_ops {

struct Chunk {
  std::size_t first_class;
  std::size_t classes;
};

class ChunkPlan {
 public:
  // `block_bytes`: what a block must keep until all are done.
  ChunkPlan(std::size_t classes, std::size_t parts, std::size_t block_bytes);

  std::size_t blocks() const { return blocks_; }
  std::size_t most_classes() const { return chunk_classes_; }

  // Calls use(chunk) for the chunks of a block.
  template <typename Use>
  void for_each_chunk(std::size_t block, const Use& use) const {
    for (std::size_t i = chunks_ * block / blocks_; i < chunks_ * (block + 1) / blocks_; ++i) use(chunk(i));
  }

 private:
  Chunk chunk(std::size_t number) const;

  std::size_t classes_;
  std::size_t chunk_classes_;
  std::size_t chunks_;
  std::size_t blocks_;
};

}  // namespace fr_tf_ops
