#include "quantise.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <stdexcept>
#include <string>

namespace fr {
namespace {

constexpr float kLargest = 127.0f;
constexpr float kVanishing = 1e-30f;  // coordinates of a row that lies outside of its subspace are below
// Room for what the bound leaves out: norms of unit rows up to 1 + 2^-22, the 8 roundings of tile_i8 and the
// one of the exact score (each below 1.2e-7), and those of scale, norm and error themselves.
constexpr double kBoundRounding = 2e-6;

// Adding and subtracting 1.5 * 2^23 rounds a float below 2^22 to a whole number, ties to even.
float whole(float value) {
  constexpr float kShift = 12582912.0f;
  return (value + kShift) - kShift;
}

double root_of_lanes(const float* squares, std::size_t dim) {
  double total = 0;
  for (std::size_t l = 0; l < kLanes; ++l) total += double{squares[l]};
  // Widened by what float32 sums of dim / kLanes squares may have lost.
  return std::sqrt(total * (1 + 1.2e-7 * static_cast<double>(dim / kLanes + 8)));
}

// Without the residual. `dim` is a multiple of kLanes. Sums run in lanes, which compilers turn into vectors.
QuantisedRow quantise(const float* row, std::size_t dim, std::int8_t* quantised) {
  float peaks[kLanes] = {};
  for (std::size_t d = 0; d < dim; d += kLanes) {
    for (std::size_t l = 0; l < kLanes; ++l) {
      const float size = std::fabs(row[d + l]);
      peaks[l] = peaks[l] > size ? peaks[l] : size;
    }
  }
  const float largest = *std::max_element(peaks, peaks + kLanes);
  const bool vanishes = largest < kVanishing;
  const float scale = vanishes ? 0 : largest / kLargest;
  const float inverse = vanishes ? 0 : kLargest / largest;
  float squares[kLanes] = {};
  float squared_errors[kLanes] = {};
  std::int32_t sums[kLanes] = {};
  for (std::size_t d = 0; d < dim; d += kLanes) {
    for (std::size_t l = 0; l < kLanes; ++l) {
      const float q = whole(row[d + l] * inverse);
      const float back = scale * q;
      const float miss = row[d + l] - back;
      squares[l] += back * back;
      squared_errors[l] += miss * miss;
      sums[l] += static_cast<std::int32_t>(q);
      quantised[d + l] = static_cast<std::int8_t>(q);
    }
  }
  std::int32_t sum = 0;
  for (const std::int32_t lane : sums) sum += lane;
  return {scale, static_cast<float>(root_of_lanes(squares, dim)),
          static_cast<float>(root_of_lanes(squared_errors, dim)), 0, sum};
}

// Rows [kPanelRows][dim] of int8 to [dim / 4][kPanelRows][4] of bytes 128 larger.
void interleave(const std::vector<std::int8_t>& rows, std::size_t dim, std::uint8_t* bytes) {
  for (std::size_t d = 0; d < dim; d += 4) {
    for (std::size_t c = 0; c < kPanelRows; ++c, bytes += 4) {
      std::uint32_t word;
      std::memcpy(&word, rows.data() + c * dim + d, sizeof(word));
      word ^= 0x80808080u;  // adds 128 to each byte
      std::memcpy(bytes, &word, sizeof(word));
    }
  }
}

}  // namespace

QuantisedRows::QuantisedRows(const NormedRows& rows, const std::int64_t* indices, std::size_t count,
                             const Subspace& subspace)
    : padded_dim(rows.padded_dim()),
      dim(subspace.dim()),
      units(count * padded_dim),
      quantised(count * dim),
      numbers(count) {
  for (std::size_t i = 0; i < count; ++i) {
    if (indices[i] == kAbsent) continue;
    rows.store_unit(static_cast<std::size_t>(indices[i]), units.data() + i * padded_dim);
  }
  const Subspace::Projection projection = subspace.project(units);
  for (std::size_t i = 0; i < count; ++i) {
    if (indices[i] == kAbsent) continue;
    numbers[i] = quantise(projection.coordinates.data() + i * dim, dim, quantised.data() + i * dim);
    numbers[i].residual = projection.residuals[i];
  }
}

QuantisedPanels::QuantisedPanels(const NormedRows& rows, std::vector<std::int64_t> order, Subspace subspace,
                                 const Run& run)
    : subspace_(std::move(subspace)),
      panel_bytes_(subspace_.dim() * kPanelRows),
      order_(std::move(order)),
      present_(order_.size() / kPanelRows),
      scale_(order_.size()),
      error_(order_.size()),
      residual_(order_.size()) {
  if (rows.padded_dim() > kLargestDim) {
    throw std::invalid_argument("rows have " + std::to_string(rows.dim()) + " dimensions, expected at most " +
                                std::to_string(kLargestDim));
  }
  bytes_.resize(present_.size() * panel_bytes_);
  parallel_blocks(present_.size(), run, [&](std::size_t panel, const StopFlag&) {
    const std::size_t first = panel * kPanelRows;
    const QuantisedRows block(rows, order_.data() + first, kPanelRows, subspace_);
    for (std::size_t c = 0; c < kPanelRows; ++c) {
      present_[panel] |= std::uint32_t{order_[first + c] != kAbsent} << c;
      scale_[first + c] = block.numbers[c].scale;
      error_[first + c] = block.numbers[c].error;
      residual_[first + c] = block.numbers[c].residual;
    }
    interleave(block.quantised, block.dim, bytes_.data() + panel * panel_bytes_);
  });
}

PanelRows QuantisedPanels::operator[](std::size_t panel) const {
  const std::size_t first = panel * kPanelRows;
  return {bytes_.data() + panel * panel_bytes_, scale_.data() + first, error_.data() + first,
          residual_.data() + first};
}

QueryBlock::QueryBlock(const NormedRows& rows, const std::int64_t* indices, std::size_t n,
                       const Subspace& subspace, std::size_t tile_rows)
    : QuantisedRows(rows, indices, n, subspace), count(n) {
  const std::size_t padded_count = (count + tile_rows - 1) / tile_rows * tile_rows;
  quantised.resize(padded_count * dim);
  bounds.resize(padded_count);
  for (std::size_t q = 0; q < count; ++q) {
    const QuantisedRow& row = numbers[q];
    const double error = double{row.error} * (1 + subspace.error()) + subspace.error() + kBoundRounding;
    bounds[q] = {row.scale, row.norm, row.residual, static_cast<float>(error), 128 * row.sum};
  }
}

}  // namespace fr
