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
    : kernel_(kernels()),
      rows_(rows, what, run, order),
      order_(std::move(order)),
      error_(static_cast<float>(tile_error(rows.dim))) {
  pack(run);
}

void Gallery::pack(const Run& run) {
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
  const std::size_t dim = rows_.padded_dim();
  const std::size_t tiles = (end - begin + kernel_.tile_rows - 1) / kernel_.tile_rows;
  std::vector<float> block(tiles * kernel_.tile_rows * dim);  // zero rows fill the last tile
  std::copy(queries.row(begin), queries.row(begin) + (end - begin) * dim, block.data());
  alignas(64) float scores[kMaxTileRows * kPanelRows];
  for (std::size_t first = 0; first < size() && !stop; first += kPanelRows) {
    const float* panel = panels_.data() + first * dim;
    const std::size_t count = std::min(kPanelRows, size() - first);
    for (std::size_t row = 0; row < end - begin; row += kernel_.tile_rows) {
      kernel_.tile_f32(block.data() + row * dim, panel, dim, scores);
      const std::size_t rows = std::min(kernel_.tile_rows, end - begin - row);
      for (std::size_t r = 0; r < rows; ++r) visit(begin + row + r, first, scores + r * kPanelRows, count);
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
    scan(queries, begin, end, stop,
         [&](std::size_t query, std::size_t first, const float* approximate, std::size_t count) {
           TopK& top = best[query - begin];
           if (!any_at_least(approximate, count, top.floor() - error_)) return;
           for (std::size_t c = 0; c < count; ++c) {
             if (approximate[c] < top.floor() - error_) continue;
             top.offer({score(queries.row(query), first + c), row_at(first + c)});
           }
         });
    if (stop) return;
    for (std::size_t q = begin; q < end; ++q) best[q - begin].drain(scores + q * k, indices + q * k);
  });
}

}  // namespace fr
