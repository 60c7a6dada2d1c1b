#include "subspace.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

namespace fr {
namespace {

constexpr double kUnitNorm = 1 + 1.0 / (1 << 22);  // what float32 unit rows reach at most
constexpr double kResidualRounding = 1e-6;         // of sums and roots in float64, rounded to float32
constexpr double kMostSkew = 0.1;

}  // namespace

Subspace::Subspace(const Rows& axes)
    : dim_(axes.count), padded_dim_((axes.dim + kLanes - 1) / kLanes * kLanes), axes_(dim_ * padded_dim_) {
  if (dim_ % kLanes != 0) {
    throw std::invalid_argument("axes: " + std::to_string(dim_) + " rows, expected a multiple of " +
                                std::to_string(kLanes));
  }
  for (std::size_t i = 0; i < dim_; ++i) {
    std::copy(axes[i], axes[i] + axes.dim, axes_.begin() + static_cast<std::ptrdiff_t>(i * padded_dim_));
  }
  double squares = 0;
  double largest = 0;
  for (std::size_t i = 0; i < dim_; ++i) {
    const double norm = kernel_.squares_f64(axes[i], axes.dim);
    largest = std::max(largest, std::sqrt(norm));
    squares += (norm - 1) * (norm - 1);
    for (std::size_t j = 0; j < i; ++j) {
      const double product = kernel_.score_f64(axes_.data() + i * padded_dim_, axes[j], 1.0, axes.dim);
      squares += 2 * product * product;
    }
  }
  const double skew = std::sqrt(squares);
  if (!(skew < kMostSkew)) {
    throw std::invalid_argument("axes: not orthonormal, their products differ from the identity by " +
                                std::to_string(skew));
  }
  const double rounding = std::sqrt(static_cast<double>(dim_)) * largest * double{dot_error(padded_dim_)};
  const double size = std::sqrt(1 + skew) * kUnitNorm + rounding;
  error_ = 2 * rounding * size + 3 * skew * size * size;
  squared_residual_error_ =
      kUnitNorm * kUnitNorm - 1 + 2 * rounding * size + skew * size * size + kResidualRounding;
}

Subspace::Projection Subspace::project(const std::vector<float>& units) const {
  const std::size_t count = units.size() / padded_dim_;
  Projection result;
  result.residuals.resize(count);
  if (axes_.empty()) {
    result.coordinates = units;
    return result;
  }
  result.coordinates.resize(count * dim_);
  for (std::size_t axis = 0; axis < dim_; ++axis) {
    for (std::size_t row = 0; row < count; ++row) {
      result.coordinates[row * dim_ + axis] =
          kernel_.dot_f32(units.data() + row * padded_dim_, axes_.data() + axis * padded_dim_, padded_dim_);
    }
  }
  for (std::size_t row = 0; row < count; ++row) {
    const float* coordinates = result.coordinates.data() + row * dim_;
    const double rest = 1 - kernel_.squares_f64(coordinates, dim_) + squared_residual_error_;
    result.residuals[row] = static_cast<float>(std::sqrt(std::max(rest, 0.0)) * (1 + kResidualRounding));
  }
  return result;
}

Subspace subspace_of(const NormedRows& rows, const Rows& axes) {
  if (axes.count == 0) return Subspace(rows.padded_dim());
  if (axes.dim != rows.dim()) {
    throw std::invalid_argument("axes have " + std::to_string(axes.dim) + " dimensions and the rows " +
                                std::to_string(rows.dim()) + ", expected as many");
  }
  return Subspace(axes);
}

}  // namespace fr
