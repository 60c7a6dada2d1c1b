// From the gradients of a chunk's cosines to those of its rows and of all samples. One for each worker.
#pragma once

#include <vector>

#include "chunk_cosines.hpp"

namespace fr_tf_ops {

class ChunkGradients {
 public:
  // `samples`: samples as rows.
  ChunkGradients(const Engine& engine, const Problem& problem, const ChunkPlan& plan, const Panels& samples);

  // cosines.of_parts() holds the gradients of cosines; `kept` says which classes have one, null that all do.
  // Adds to g_x [panels][padded samples][kPanel] and writes the chunk's rows of g_weights.
  void add(ChunkCosines& cosines, const std::uint8_t* kept, float* g_x, void* g_weights);

 private:
  void keep_rows(ChunkCosines& cosines, const std::uint8_t* kept);
  void write_rows(ChunkCosines& cosines, void* g_weights);

  Engine engine_;
  const Problem& problem_;
  const Panels& samples_;
  std::size_t unit_stride_;
  std::size_t tile_stride_;
  AlignedBuffer<float> g_unit_;
  RowWords tile_along_;
  RowWords tile_across_;
  RowWords unit_across_;
  std::vector<std::size_t> kept_rows_;
};

}  // namespace fr_tf_ops
