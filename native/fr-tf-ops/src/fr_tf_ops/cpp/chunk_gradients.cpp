#include "chunk_gradients.hpp"

#include <algorithm>
#include <cstddef>
#include <cstring>

namespace fr_tf_ops {

ChunkGradients::ChunkGradients(const Engine& engine, const Problem& problem, const ChunkPlan& plan,
                               const Panels& samples)
    : engine_(engine),
      problem_(problem),
      samples_(samples),
      unit_stride_(padded_stride(problem.dim)),
      tile_stride_(padded_stride(problem.samples)),
      g_unit_(most_rows(plan, problem) * unit_stride_),
      tile_along_(engine.products, most_rows(plan, problem), tile_stride_),
      tile_across_(engine.products, most_rows(plan, problem), tile_stride_),
      unit_across_(engine.products, most_rows(plan, problem), unit_stride_) {
  kept_rows_.reserve(most_rows(plan, problem));
}

void ChunkGradients::add(ChunkCosines& cosines, const std::uint8_t* kept, float* g_x, void* g_weights) {
  keep_rows(cosines, kept);
  const Products& products = engine_.products;
  const float* tile = cosines.of_parts().cosines;
  const std::size_t rows = round_up(kept_rows_.size(), kRowStep);
  const std::size_t depth = (kept_rows_.size() + products.group - 1) / products.group;
  const Words g_along = tile_along_.along(tile, rows);
  for (std::size_t panel = 0; panel < samples_.count(); ++panel) {
    products.multiply_along(rows, samples_.depth(), g_along, samples_[panel], g_unit_.data() + panel * kPanel,
                            unit_stride_, cosines.ahead());
  }
  const Words g_across = tile_across_.across(tile, rows);
  const Words unit = unit_across_.across(cosines.unit(), rows);
  const std::size_t samples = padded_samples(problem_);
  for (std::size_t panel = 0; panel < samples_.count(); ++panel) {
    const Words columns = {static_cast<const float*>(unit.data) + panel * kPanel, unit.stride};
    products.add_across(round_up(problem_.samples, kRowStep), depth, g_across, columns,
                        g_x + panel * samples * kPanel, kPanel, cosines.ahead());
  }
  write_rows(cosines, g_weights);
}

// Moves the rows that have a gradient together, and makes those zero that fill the last step of the products.
void ChunkGradients::keep_rows(ChunkCosines& cosines, const std::uint8_t* kept) {
  kept_rows_.clear();
  float* tile = cosines.of_parts().cosines;
  float* unit = cosines.unit();
  for (std::size_t row = 0; row < cosines.rows(); ++row) {
    if (kept != nullptr && kept[row / problem_.parts] == 0) continue;
    const std::size_t to = kept_rows_.size();
    kept_rows_.push_back(row);
    if (to == row) continue;
    std::memcpy(tile + to * tile_stride_, tile + row * tile_stride_, tile_stride_ * sizeof(float));
    std::memcpy(unit + to * unit_stride_, unit + row * unit_stride_, unit_stride_ * sizeof(float));
    cosines.inverse()[to] = cosines.inverse()[row];
  }
  const std::size_t rows = round_up(kept_rows_.size(), kRowStep);
  std::fill(tile + kept_rows_.size() * tile_stride_, tile + rows * tile_stride_, 0.0f);
  std::fill(unit + kept_rows_.size() * unit_stride_, unit + rows * unit_stride_, 0.0f);
}

void ChunkGradients::write_rows(ChunkCosines& cosines, void* g_weights) {
  const std::size_t row_bytes = problem_.dim * element_bytes(problem_.type);
  auto* first = static_cast<std::byte*>(g_weights) + cosines.first_row() * row_bytes;
  const auto project = [&](std::size_t index, std::size_t count, std::byte* to) {
    engine_.kernels.elementwise->project_rows(
        g_unit_.data() + index * unit_stride_, cosines.unit() + index * unit_stride_, unit_stride_,
        cosines.inverse() + index, {to, problem_.type, count, problem_.dim}, to);
  };
  if (kept_rows_.size() == cosines.rows()) return project(0, cosines.rows(), first);
  std::memset(first, 0, cosines.rows() * row_bytes);
  for (std::size_t i = 0; i < kept_rows_.size(); ++i) project(i, 1, first + kept_rows_[i] * row_bytes);
}

}  // namespace fr_tf_ops
