#include "chunk_cosines.hpp"

#include <algorithm>

namespace fr_tf_ops {

std::size_t padded_stride(std::size_t elements) { return round_up(elements, kPanel) + 16; }

std::size_t most_rows(const ChunkPlan& plan, const Problem& problem) {
  return round_up(plan.most_classes() * problem.parts, kRowStep);
}

ChunkCosines::ChunkCosines(const Engine& engine, const Problem& problem, const ChunkPlan& plan,
                           const Panels& samples)
    : engine_(engine),
      problem_(problem),
      samples_(samples),
      unit_stride_(padded_stride(problem.dim)),
      tile_stride_(padded_stride(problem.samples)),
      unit_(most_rows(plan, problem) * unit_stride_),
      inverse_(most_rows(plan, problem)),
      words_(engine.products, most_rows(plan, problem), unit_stride_),
      of_parts_(most_rows(plan, problem) * tile_stride_) {
  if (problem.parts > 1) of_classes_ = AlignedBuffer<float>(plan.most_classes() * tile_stride_);
}

Tile ChunkCosines::compute(const Chunk& chunk) {
  chunk_ = chunk;
  load_rows();
  const std::size_t tile_rows = round_up(rows(), kRowStep);
  const Words unit = words_.along(unit_.data(), tile_rows);
  for (std::size_t panel = 0; panel < samples_.count(); ++panel) {
    engine_.products.multiply_along(tile_rows, samples_.depth(), unit, samples_[panel],
                                    of_parts_.data() + panel * kPanel, tile_stride_, ahead_);
  }
  if (problem_.parts == 1) return of_parts();
  const Tile classes = {of_classes_.data(), tile_stride_, padded_samples(problem_), chunk.classes,
                        static_cast<std::int32_t>(chunk.first_class)};
  engine_.kernels.elementwise->largest_parts(of_parts(), problem_.parts, classes);
  return classes;
}

Tile ChunkCosines::of_parts() {
  return {of_parts_.data(), tile_stride_, padded_samples(problem_), rows(),
          static_cast<std::int32_t>(chunk_.first_class)};
}

void ChunkCosines::load_rows() {
  const std::size_t row_bytes = problem_.dim * element_bytes(problem_.type);
  const auto* weights = static_cast<const char*>(problem_.weights);
  const char* first = weights + first_row() * row_bytes;
  const char* next = first + rows() * row_bytes;
  const char* end = weights + problem_.classes * problem_.parts * row_bytes;
  ahead_ = {next, std::min(next + rows() * row_bytes, end)};
  engine_.kernels.elementwise->unit_rows({first, problem_.type, rows(), problem_.dim}, unit_.data(),
                                         unit_stride_, inverse_.data());
  // The rows that fill the last step of the products may be left from a larger chunk.
  std::fill(unit_.data() + rows() * unit_stride_, unit_.data() + round_up(rows(), kRowStep) * unit_stride_,
            0.0f);
}

}  // namespace fr_tf_ops
