#include "kernels/kernels.hpp"

namespace fr {
namespace {

constexpr std::size_t kTileRows = 4;

std::uint32_t reaching(const float* upper, float floor) {
  std::uint32_t reach = 0;
  for (std::size_t c = 0; c < kPanelRows; ++c) reach |= std::uint32_t{upper[c] >= floor} << c;
  return reach;
}

void tile_f32_generic(const float* rows, const float* panel, std::size_t dim, float error,
                      const float* floors, float* upper, std::uint32_t* reach) {
  float sum[kTileRows][kPanelRows] = {};
  for (std::size_t d = 0; d < dim; ++d) {
    for (std::size_t r = 0; r < kTileRows; ++r) {
      const float x = rows[r * dim + d];
      for (std::size_t c = 0; c < kPanelRows; ++c) sum[r][c] += x * panel[d * kPanelRows + c];
    }
  }
  for (std::size_t r = 0; r < kTileRows; ++r, upper += kPanelRows) {
    for (std::size_t c = 0; c < kPanelRows; ++c) upper[c] = sum[r][c] + error;
    reach[r] = reaching(upper, floors[r]);
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
                     const QueryBound* queries, const float* row_scale, const float* row_error,
                     const float* floors, float* upper, std::uint32_t* reach) {
  for (std::size_t r = 0; r < kTileRows; ++r, upper += kPanelRows) {
    const QueryBound& query = queries[r];
    for (std::size_t c = 0; c < kPanelRows; ++c) {
      std::int32_t sum = 0;
      for (std::size_t d = 0; d < dim; ++d) {
        sum += rows[r * dim + d] * panel[(d / 4 * kPanelRows + c) * 4 + d % 4];
      }
      const float approximate = query.scale * row_scale[c] * static_cast<float>(sum - query.offset);
      upper[c] = approximate + (query.norm * row_error[c] + query.error);
    }
    reach[r] = reaching(upper, floors[r]);
  }
}

}  // namespace

const Kernels kGenericKernels = {"generic", kTileRows, tile_f32_generic, dot_f64_generic, nullptr};
const Kernels kGenericInt8Kernels = {"generic-int8", kTileRows, tile_f32_generic, dot_f64_generic,
                                     tile_i8_generic};

}  // namespace fr
