#include <algorithm>

#include "kernels/kernels.hpp"

namespace fr {
namespace {

double lanes_total(double* sum) {
  for (std::size_t half = kLanes / 2; half > 0; half /= 2) {
    for (std::size_t l = 0; l < half; ++l) sum[l] += sum[l + half];
  }
  return sum[0];
}

double squares_f64_generic(const float* row, std::size_t dim) {
  double sum[kLanes] = {};
  for (std::size_t d = 0; d < dim; d += kLanes) {
    const std::size_t width = std::min(kLanes, dim - d);
    for (std::size_t l = 0; l < width; ++l) sum[l] += double{row[d + l]} * double{row[d + l]};
  }
  return lanes_total(sum);
}

void unit_f32_generic(const float* row, double inverse_norm, std::size_t dim, float* unit) {
  for (std::size_t d = 0; d < dim; ++d) unit[d] = static_cast<float>(row[d] * inverse_norm);
}

double score_f64_generic(const float* unit, const float* row, double inverse_norm, std::size_t dim) {
  double sum[kLanes] = {};
  for (std::size_t d = 0; d < dim; d += kLanes) {
    const std::size_t width = std::min(kLanes, dim - d);
    for (std::size_t l = 0; l < width; ++l) {
      const auto y = static_cast<float>(row[d + l] * inverse_norm);
      sum[l] += double{unit[d + l]} * double{y};
    }
  }
  return lanes_total(sum);
}

float dot_f32_generic(const float* unit, const float* row, std::size_t dim) {
  float sum[kLanes] = {};
  for (std::size_t d = 0; d < dim; d += kLanes) {
    const std::size_t width = std::min(kLanes, dim - d);
    for (std::size_t l = 0; l < width; ++l) sum[l] += unit[d + l] * row[d + l];
  }
  float total = 0;
  for (const float lane : sum) total += lane;
  return total;
}

std::uint32_t reaching_generic(const float* values, float floor) {
  std::uint32_t reach = 0;
  for (std::size_t c = 0; c < kPanelRows; ++c) reach |= std::uint32_t{values[c] >= floor} << c;
  return reach;
}

std::size_t count_reaching_generic(const float* values, std::size_t count, float floor) {
  std::size_t reaching = 0;
  for (std::size_t i = 0; i < count; ++i) reaching += values[i] >= floor;
  return reaching;
}

}  // namespace

const RowKernels kRowsGeneric = {squares_f64_generic, unit_f32_generic, score_f64_generic,
                                 dot_f32_generic,     reaching_generic, count_reaching_generic};

}  // namespace fr
