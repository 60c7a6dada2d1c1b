#include "quantise.hpp"

#include <algorithm>
#include <cmath>

namespace fr {
namespace {

constexpr float kLargest = 127.0f;
// Room for what the bound leaves out: norms of unit rows up to 1 + 2^-22, the roundings of tile_i8 and of
// the exact score (each below 1.2e-7), and the roundings of scale, norm and error themselves.
constexpr double kRoundingRoom = 2e-6;

struct QuantisedRow {
  double scale;
  double norm;
  double error;
  std::int32_t sum;
};

QuantisedRow quantise(const float* row, std::size_t dim, std::int8_t* quantised) {
  float largest = 0;
  for (std::size_t d = 0; d < dim; ++d) largest = std::max(largest, std::fabs(row[d]));
  const float scale = largest / kLargest;
  double squared_norm = 0;
  double squared_error = 0;
  std::int32_t sum = 0;
  for (std::size_t d = 0; d < dim; ++d) {
    const float q = std::max(-kLargest, std::min(kLargest, std::nearbyint(row[d] / scale)));
    const double back = static_cast<double>(scale) * static_cast<double>(q);
    squared_norm += back * back;
    squared_error += (row[d] - back) * (row[d] - back);
    quantised[d] = static_cast<std::int8_t>(q);
    sum += static_cast<std::int32_t>(q);
  }
  return {scale, std::sqrt(squared_norm), std::sqrt(squared_error), sum};
}

}  // namespace

QuantisedPanels::QuantisedPanels(const UnitRows& rows, const Run& run) {
  const std::size_t dim = rows.padded_dim();
  const std::size_t n_panels = (rows.size() + kPanelRows - 1) / kPanelRows;
  panels.assign(n_panels * dim * kPanelRows, 128);
  scale.assign(n_panels * kPanelRows, 0.0f);
  error.assign(n_panels * kPanelRows, 0.0f);
  parallel_blocks(n_panels, run, [&](std::size_t panel, const StopFlag&) {
    std::vector<std::int8_t> quantised(dim);
    std::uint8_t* to = panels.data() + panel * dim * kPanelRows;
    const std::size_t first = panel * kPanelRows;
    for (std::size_t c = 0; c < std::min(kPanelRows, rows.size() - first); ++c) {
      const QuantisedRow row = quantise(rows.row(first + c), dim, quantised.data());
      scale[first + c] = static_cast<float>(row.scale);
      error[first + c] = static_cast<float>(row.error);
      for (std::size_t d = 0; d < dim; ++d) {
        to[(d / 4 * kPanelRows + c) * 4 + d % 4] = static_cast<std::uint8_t>(quantised[d] + 128);
      }
    }
  });
}

QuantisedQueries::QuantisedQueries(const UnitRows& queries, std::size_t begin, std::size_t end,
                                   std::size_t padded_rows)
    : rows(padded_rows * queries.padded_dim(), 0), bounds(padded_rows) {
  const std::size_t dim = queries.padded_dim();
  for (std::size_t q = begin; q < end; ++q) {
    const QuantisedRow row = quantise(queries.row(q), dim, rows.data() + (q - begin) * dim);
    bounds[q - begin] = {static_cast<float>(row.scale), static_cast<float>(row.norm),
                         static_cast<float>(row.error + kRoundingRoom), 128 * row.sum};
  }
}

}  // namespace fr
