#include "gallery.hpp"

#include <algorithm>
#include <limits>
#include <utility>

namespace fr {

float TopK::floor() const {
  return heap_.size() < k_ ? -std::numeric_limits<float>::infinity() : heap_.front().score;
}

void TopK::offer(const Neighbour& candidate) {
  if (heap_.size() == k_) {
    if (k_ == 0 || !precedes(candidate, heap_.front())) return;
    std::pop_heap(heap_.begin(), heap_.end(), precedes);
    heap_.pop_back();
  }
  heap_.push_back(candidate);
  std::push_heap(heap_.begin(), heap_.end(), precedes);
}

void TopK::drain(float* scores, std::int64_t* indices) {
  std::sort_heap(heap_.begin(), heap_.end(), precedes);
  for (std::size_t i = 0; i < heap_.size(); ++i) {
    scores[i] = heap_[i].score;
    indices[i] = heap_[i].index;
  }
  heap_.clear();
}

Gallery::Gallery(const Rows& rows, const char* what, const Run& run, std::vector<std::size_t> order)
    : kernel_(kernels()), rows_(rows, what, run, order), order_(std::move(order)) {
  if (kernel_.tile_i8 != nullptr && rows_.padded_dim() <= kLargestInt8Dim) {
    quantised_.emplace(rows_, run);
  } else {
    pack_float32(run);
  }
}

void Gallery::pack_float32(const Run& run) {
  const std::size_t dim = rows_.padded_dim();
  const std::size_t panels = (size() + kPanelRows - 1) / kPanelRows;
  panels_.resize(panels * dim * kPanelRows);
  parallel_blocks(panels, run, [&](std::size_t panel, const StopFlag&) {
    float* to = panels_.data() + panel * dim * kPanelRows;
    const std::size_t first = panel * kPanelRows;
    for (std::size_t c = 0; c < std::min(kPanelRows, size() - first); ++c) {
      const float* from = rows_.row(first + c);
      for (std::size_t d = 0; d < dim; ++d) to[d * kPanelRows + c] = from[d];
    }
  });
}

float Gallery::score(const float* query, std::size_t position) const {
  return static_cast<float>(kernel_.dot_f64(query, rows_.row(position), rows_.padded_dim()));
}

std::int64_t Gallery::row_at(std::size_t position) const {
  return static_cast<std::int64_t>(order_.empty() ? position : order_[position]);
}

void Gallery::scan(const UnitRows& queries, std::size_t begin, std::size_t end, const StopFlag& stop,
                   const Visit& visit) const {
  if (quantised_) {
    scan_int8(queries, begin, end, stop, visit);
  } else {
    scan_float32(queries, begin, end, stop, visit);
  }
}

void Gallery::scan_float32(const UnitRows& queries, std::size_t begin, std::size_t end, const StopFlag& stop,
                           const Visit& visit) const {
  const std::size_t dim = rows_.padded_dim();
  const std::size_t tiles = (end - begin + kernel_.tile_rows - 1) / kernel_.tile_rows;
  std::vector<float> block(tiles * kernel_.tile_rows * dim);  // zero rows fill the last tile
  std::copy(queries.row(begin), queries.row(begin) + (end - begin) * dim, block.data());
  QueryBound bound;
  bound.error = static_cast<float>(tile_error(dim));
  alignas(64) float upper[kMaxTileRows * kPanelRows];
  for (std::size_t first = 0; first < size() && !stop; first += kPanelRows) {
    const std::size_t count = std::min(kPanelRows, size() - first);
    for (std::size_t row = 0; row < end - begin; row += kernel_.tile_rows) {
      kernel_.tile_f32(block.data() + row * dim, panels_.data() + first * dim, dim, upper);
      for (float& score : upper) score += bound.error;
      for (std::size_t r = 0; r < std::min(kernel_.tile_rows, end - begin - row); ++r) {
        visit(begin + row + r, {first, count, upper + r * kPanelRows, &bound, nullptr});
      }
    }
  }
}

void Gallery::scan_int8(const UnitRows& queries, std::size_t begin, std::size_t end, const StopFlag& stop,
                        const Visit& visit) const {
  const std::size_t dim = rows_.padded_dim();
  const std::size_t tiles = (end - begin + kernel_.tile_rows - 1) / kernel_.tile_rows;
  const QuantisedQueries block(queries, begin, end, tiles * kernel_.tile_rows);
  alignas(64) std::int32_t dots[kMaxTileRows * kPanelRows];
  alignas(64) float upper[kPanelRows];
  for (std::size_t first = 0; first < size() && !stop; first += kPanelRows) {
    const std::size_t count = std::min(kPanelRows, size() - first);
    const float* error = quantised_->error.data() + first;
    for (std::size_t row = 0; row < end - begin; row += kernel_.tile_rows) {
      kernel_.tile_i8(block.rows.data() + row * dim, quantised_->panels.data() + first * dim, dim, dots);
      for (std::size_t r = 0; r < std::min(kernel_.tile_rows, end - begin - row); ++r) {
        const QueryBound& bound = block.bounds[row + r];
        kernel_.upper_i8(dots + r * kPanelRows, bound, quantised_->scale.data() + first, error, upper);
        visit(begin + row + r, {first, count, upper, &bound, error});
      }
    }
  }
}

void Gallery::search(const UnitRows& queries, std::size_t k, float* scores, std::int64_t* indices,
                     const Run& run) const {
  const std::size_t blocks = (queries.size() + kQueryBlock - 1) / kQueryBlock;
  parallel_blocks(blocks, run, [&](std::size_t block, const StopFlag& stop) {
    const std::size_t begin = block * kQueryBlock;
    const std::size_t end = std::min(queries.size(), begin + kQueryBlock);
    std::vector<TopK> best(end - begin, TopK(k));
    scan(queries, begin, end, stop, [&](std::size_t query, const PanelBounds& panel) {
      TopK& top = best[query - begin];
      if (!panel.may_reach(top.floor())) return;
      for (std::size_t c = 0; c < panel.count; ++c) {
        if (panel.upper[c] < top.floor()) continue;
        top.offer({score(queries.row(query), panel.first + c), row_at(panel.first + c)});
      }
    });
    if (stop) return;
    for (std::size_t q = begin; q < end; ++q) best[q - begin].drain(scores + q * k, indices + q * k);
  });
}

}  // namespace fr
