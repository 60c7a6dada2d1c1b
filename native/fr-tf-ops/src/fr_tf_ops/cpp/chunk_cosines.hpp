// The rows of one chunk of classes, as unit rows, and their cosines with all samples. One for each worker.
#pragma once

#include "chunk_plan.hpp"
#include "panels.hpp"
#include "problem.hpp"
#include "row_words.hpp"

namespace fr_tf_ops {

class ChunkCosines {
 public:
  // `samples`: samples as columns.
  ChunkCosines(const Engine& engine, const Problem& problem, const ChunkPlan& plan, const Panels& samples);

  // Loads the chunk's rows and returns the cosines of its classes, which the caller may overwrite.
  Tile compute(const Chunk& chunk);

  // Cosines of the chunk's rows, a class's side by side; where it has one, these are the classes' own.
  Tile of_parts();
  // Unit rows, zero behind their elements, and what the rows were multiplied by.
  float* unit() { return unit_.data(); }
  float* inverse() { return inverse_.data(); }
  // The rows of the next chunk, for the products that are left to do with this one.
  Ahead& ahead() { return ahead_; }
  std::size_t rows() const { return chunk_.classes * problem_.parts; }
  std::size_t first_row() const { return chunk_.first_class * problem_.parts; }

 private:
  void load_rows();

  Engine engine_;
  const Problem& problem_;
  const Panels& samples_;
  std::size_t unit_stride_;
  std::size_t tile_stride_;
  AlignedBuffer<float> unit_;
  AlignedBuffer<float> inverse_;
  RowWords words_;
  AlignedBuffer<float> of_parts_;
  AlignedBuffer<float> of_classes_;
  Chunk chunk_ = {0, 0};
  Ahead ahead_ = {nullptr, nullptr};
};

// Floats from one row of `elements` to the next: whole panels and one more cache line. As an odd number of
// lines it spreads the rows over the sets of a cache.
std::size_t padded_stride(std::size_t elements);

// Rows of the largest chunk, as products count them.
std::size_t most_rows(const ChunkPlan& plan, const Problem& problem);

}  // namespace fr_tf_ops
