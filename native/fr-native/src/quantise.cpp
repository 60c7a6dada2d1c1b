#include "quantise.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <stdexcept>
#include <string>

namespace fr {
namespace {

constexpr float kLargest = 127.0f;
// Room for what the bound leaves out: norms of unit rows up to 1 + 2^-22, the roundings of tile_i8 and of
// the exact score (each below 1.2e-7), and those of scale, norm and error themselves.
constexpr double kRoundingRoom = 2e-6;

struct QuantisedRow {
  float scale;
  double norm;
  double error;
  std::int32_t sum;
};

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

// `dim` is a multiple of kLanes. Sums run in lanes, which compilers turn into vectors.
QuantisedRow quantise(const float* unit, std::size_t dim, std::int8_t* quantised) {
  float peaks[kLanes] = {};
  for (std::size_t d = 0; d < dim; d += kLanes) {
    for (std::size_t l = 0; l < kLanes; ++l) {
      const float size = std::fabs(unit[d + l]);
      peaks[l] = peaks[l] > size ? peaks[l] : size;
    }
  }
  const float largest = *std::max_element(peaks, peaks + kLanes);
  const float scale = largest / kLargest;
  const float inverse = kLargest / largest;
  float squares[kLanes] = {};
  float squared_errors[kLanes] = {};
  std::int32_t sums[kLanes] = {};
  for (std::size_t d = 0; d < dim; d += kLanes) {
    for (std::size_t l = 0; l < kLanes; ++l) {
      const float q = whole(unit[d + l] * inverse);
      const float back = scale * q;
      const float miss = unit[d + l] - back;
      squares[l] += back * back;
      squared_errors[l] += miss * miss;
      sums[l] += static_cast<std::int32_t>(q);
      quantised[d + l] = static_cast<std::int8_t>(q);
    }
  }
  std::int32_t sum = 0;
  for (const std::int32_t lane : sums) sum += lane;
  return {scale, root_of_lanes(squares, dim), root_of_lanes(squared_errors, dim), sum};
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

QuantisedPanels::QuantisedPanels(const NormedRows& rows, std::vector<std::int64_t> order, const Run& run)
    : panel_bytes_(rows.padded_dim() * kPanelRows), order_(std::move(order)) {
  const std::size_t dim = rows.padded_dim();
  if (dim > kLargestDim) {
    throw std::invalid_argument("rows have " + std::to_string(rows.dim()) + " dimensions, expected at most " +
                                std::to_string(kLargestDim));
  }
  const std::size_t panels = order_.size() / kPanelRows;
  present_.resize(panels);
  bytes_.resize(panels * panel_bytes_);
  scale_.resize(order_.size());
  error_.resize(order_.size());
  parallel_blocks(panels, run, [&](std::size_t panel, const StopFlag&) {
    std::vector<float> unit(dim);
    std::vector<std::int8_t> quantised(kPanelRows * dim);
    for (std::size_t c = 0; c < kPanelRows; ++c) {
      const std::size_t position = panel * kPanelRows + c;
      if (order_[position] == kAbsent) continue;
      present_[panel] |= std::uint32_t{1} << c;
      rows.store_unit(static_cast<std::size_t>(order_[position]), unit.data());
      const QuantisedRow row = quantise(unit.data(), dim, quantised.data() + c * dim);
      scale_[position] = row.scale;
      error_[position] = static_cast<float>(row.error);
    }
    interleave(quantised, dim, bytes_.data() + panel * panel_bytes_);
  });
}

PanelRows QuantisedPanels::operator[](std::size_t panel) const {
  return {bytes_.data() + panel * panel_bytes_, scale_.data() + panel * kPanelRows,
          error_.data() + panel * kPanelRows};
}

QueryBlock::QueryBlock(const NormedRows& rows, const std::int64_t* indices, std::size_t n,
                       std::size_t tile_rows)
    : count(n), padded_dim(rows.padded_dim()), units(n * padded_dim) {
  const std::size_t padded_count = (count + tile_rows - 1) / tile_rows * tile_rows;
  quantised.resize(padded_count * padded_dim);
  bounds.resize(padded_count);
  for (std::size_t q = 0; q < count; ++q) {
    if (indices[q] == kAbsent) continue;
    rows.store_unit(static_cast<std::size_t>(indices[q]), units.data() + q * padded_dim);
    const QuantisedRow row = quantise(unit(q), padded_dim, quantised.data() + q * padded_dim);
    bounds[q] = {row.scale, static_cast<float>(row.norm), static_cast<float>(row.error + kRoundingRoom),
                 128 * row.sum};
  }
}

}  // namespace fr
