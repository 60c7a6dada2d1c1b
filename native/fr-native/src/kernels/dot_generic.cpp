#include "kernels/kernels.hpp"

namespace fr {
namespace {

constexpr std::size_t kTileRows = 4;

void tile_f32_generic(const float* rows, const float* panel, std::size_t dim, float* scores) {
  float sum[kTileRows][kPanelRows] = {};
  for (std::size_t d = 0; d < dim; ++d) {
    for (std::size_t r = 0; r < kTileRows; ++r) {
      const float x = rows[r * dim + d];
      for (std::size_t c = 0; c < kPanelRows; ++c) sum[r][c] += x * panel[d * kPanelRows + c];
    }
  }
  for (std::size_t r = 0; r < kTileRows; ++r) {
    for (std::size_t c = 0; c < kPanelRows; ++c) scores[r * kPanelRows + c] = sum[r][c];
  }
}

double dot_f64_generic(const float* a, const float* b, std::size_t dim) {
  double sum[kLanes] = {};
  for (std::size_t d = 0; d < dim; d += kLanes) {
    for (std::size_t l = 0; l < kLanes; ++l) {
      sum[l] += static_cast<double>(a[d + l]) * static_cast<double>(b[d + l]);
    }
  }
  for (std::size_t half = kLanes / 2; half > 0; half /= 2) {
    for (std::size_t l = 0; l < half; ++l) sum[l] += sum[l + half];
  }
  return sum[0];
}

void tile_i8_generic(const std::int8_t* rows, const std::uint8_t* panel, std::size_t dim,
                     std::int32_t* dots) {
  for (std::size_t r = 0; r < kTileRows; ++r) {
    for (std::size_t c = 0; c < kPanelRows; ++c) {
      std::int32_t sum = 0;
      for (std::size_t d = 0; d < dim; ++d)
        sum += rows[r * dim + d] * panel[(d / 4 * kPanelRows + c) * 4 + d % 4];
      dots[r * kPanelRows + c] = sum;
    }
  }
}

void upper_i8_generic(const std::int32_t* dots, const QueryBound& query, const float* row_scale,
                      const float* row_error, float* upper) {
  for (std::size_t c = 0; c < kPanelRows; ++c) {
    const float approximate = query.scale * row_scale[c] * static_cast<float>(dots[c] - query.offset);
    upper[c] = approximate + query.norm * row_error[c] + query.error;
  }
}

}  // namespace

const Kernels kGenericKernels = {"generic", kTileRows, tile_f32_generic, dot_f64_generic, nullptr, nullptr};
const Kernels kGenericInt8Kernels = {"generic-int8",  kTileRows,       tile_f32_generic,
                                     dot_f64_generic, tile_i8_generic, upper_i8_generic};

}  // namespace fr
