#include "gallery.hpp"

#include <algorithm>
#include <limits>
#include <utility>

namespace fr {

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
  const std::size_t padded = padded_queries(end - begin);
  std::vector<float> block(padded * dim);  // zero rows fill the last tile
  std::copy(queries.row(begin), queries.row(begin) + (end - begin) * dim, block.data());
  QueryBound bound;
  bound.error = static_cast<float>(tile_error(dim));
  const auto tile = [&](std::size_t first, std::size_t row, const float* floors, float* upper,
                        std::uint32_t* reach) {
    const float* panel = panels_.data() + first * dim;
    kernel_.tile_f32(block.data() + row * dim, panel, dim, bound.error, floors, upper, reach);
  };
  const auto bounds_of = [&](std::size_t) { return &bound; };
  scan_tiles(begin, end, stop, tile, bounds_of, nullptr, visit);
}

void Gallery::scan_int8(const UnitRows& queries, std::size_t begin, std::size_t end, const StopFlag& stop,
                        const Visit& visit) const {
  const std::size_t dim = rows_.padded_dim();
  const QuantisedQueries block(queries, begin, end, padded_queries(end - begin));
  const auto tile = [&](std::size_t first, std::size_t row, const float* floors, float* upper,
                        std::uint32_t* reach) {
    kernel_.tile_i8(block.rows.data() + row * dim, quantised_->panels.data() + first * dim, dim,
                    block.bounds.data() + row, quantised_->scale.data() + first,
                    quantised_->error.data() + first, floors, upper, reach);
  };
  const auto bounds_of = [&](std::size_t row) { return &block.bounds[row]; };
  scan_tiles(begin, end, stop, tile, bounds_of, quantised_->error.data(), visit);
}

std::size_t Gallery::padded_queries(std::size_t count) const {
  return (count + kernel_.tile_rows - 1) / kernel_.tile_rows * kernel_.tile_rows;
}

template <typename Tile, typename BoundsOf>
void Gallery::scan_tiles(std::size_t begin, std::size_t end, const StopFlag& stop, const Tile& tile,
                         const BoundsOf& bounds_of, const float* row_error, const Visit& visit) const {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  std::vector<float> floors(padded_queries(end - begin), kInfinity);  // rows that fill a tile reach nothing
  std::fill_n(floors.begin(), end - begin, -kInfinity);
  alignas(64) float upper[kMaxTileRows * kPanelRows];
  std::uint32_t reach[kMaxTileRows];
  for (std::size_t first = 0; first < size() && !stop; first += kPanelRows) {
    const std::size_t count = std::min(kPanelRows, size() - first);
    const auto present = static_cast<std::uint32_t>((std::uint64_t{1} << count) - 1);
    for (std::size_t row = 0; row < floors.size(); row += kernel_.tile_rows) {
      tile(first, row, floors.data() + row, upper, reach);
      for (std::size_t r = 0; r < kernel_.tile_rows; ++r) {
        if ((reach[r] & present) == 0) continue;
        const float* error = row_error == nullptr ? nullptr : row_error + first;
        const PanelBounds panel{first, reach[r] & present, upper + r * kPanelRows, bounds_of(row + r), error};
        floors[row + r] = visit(begin + row + r, panel);
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
    std::vector<Candidates> candidates(end - begin, Candidates(k));
    scan(queries, begin, end, stop, [&](std::size_t query, const PanelBounds& panel) {
      Candidates& rows = candidates[query - begin];
      for (std::size_t c = 0; c < kPanelRows; ++c) {
        if ((panel.reach >> c & 1) != 0) rows.add(panel.lower(c), panel.upper[c], panel.first + c);
      }
      return rows.floor();
    });
    if (stop) return;
    TopK top(k);
    for (std::size_t q = begin; q < end; ++q) {
      for (const auto& row : candidates[q - begin].sorted()) {
        if (row.upper < top.floor()) break;
        top.offer({score(queries.row(q), row.position), row_at(row.position)});
      }
      top.drain(scores + q * k, indices + q * k);
    }
  });
}

}  // namespace fr
