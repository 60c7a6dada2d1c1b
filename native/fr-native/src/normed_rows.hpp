// The caller's float32 rows, not copied, and the inverse of each one's norm.
//
// The unit row of y is float32(y * inverse_norm), product in float64, inverse_norm = 1 / sqrt(sum of
// squares), in float64 too. A score is the float64 dot product of two unit rows, rounded once to float32.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "kernels/kernels.hpp"
#include "parallel.hpp"

namespace fr {

// Row-major float32 rows as the caller holds them.
struct Rows {
  const float* data = nullptr;
  std::size_t count = 0;
  std::size_t dim = 0;

  const float* operator[](std::size_t row) const { return data + row * dim; }
};

class NormedRows {
 public:
  // Throws std::invalid_argument naming the first row with NaN, infinity or zero norm. Keeps no copy: the
  // rows must stay as they are.
  NormedRows(const Rows& rows, const char* what, const Run& run);

  std::size_t size() const { return rows_.count; }
  std::size_t dim() const { return rows_.dim; }
  // Elements of a unit row as kernels want it: whole lanes.
  std::size_t padded_dim() const { return (rows_.dim + kLanes - 1) / kLanes * kLanes; }

  // unit: padded_dim() elements.
  void store_unit(std::size_t row, float* unit) const;
  float score(const float* unit, std::size_t row) const {
    return static_cast<float>(kernel_.score_f64(unit, rows_[row], inverse_norm_[row], rows_.dim));
  }

  // A score within `error` of the truth, cheaper than the score; an error of infinity says nothing.
  struct Approximation {
    float score;
    float error;
  };
  Approximation approximate(const float* unit, std::size_t row) const {
    const double factor = inverse_norm_[row];
    if (!(factor > kSmallest && factor < kLargest)) return {0, std::numeric_limits<float>::infinity()};
    const float dot = kernel_.dot_f32(unit, rows_[row], rows_.dim);
    return {static_cast<float>(dot * factor), dot_error_};
  }

  // Begins to fetch the row into the second-level cache.
  void prefetch(std::size_t row) const {
    const auto* bytes = reinterpret_cast<const char*>(rows_[row]);
    for (std::size_t b = 0; b < rows_.dim * sizeof(float); b += kCacheLine) FR_PREFETCH(bytes + b);
  }

 private:
  // Products of a unit row with elements between these norms neither overflow nor lose bits that matter.
  static constexpr double kSmallest = 1e-15;
  static constexpr double kLargest = 1e15;
  static constexpr std::size_t kCacheLine = 64;

  RowKernels kernel_;
  Rows rows_;
  float dot_error_;
  std::vector<double> inverse_norm_;
};

}  // namespace fr
