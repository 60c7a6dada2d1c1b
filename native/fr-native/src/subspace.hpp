// A subspace that holds unit rows nearly whole, so that their products need fewer dimensions.
//
// Axes A, one a row and nearly orthonormal: A A' = I + E. A unit row x has coordinates a, what float32 makes
// of A x, |a - A x| <= d, so |a| <= m = sqrt(1 + |E|) |x| + d; its residual r = |x - A' a|. Then
//   |x . y - a . b| <= r s + 2 d m + 3 |E| m^2
// for coordinates b and residual s of y, as A (x - A' a) = (A x - a) - E a, and
//   r^2 = |x|^2 - |a|^2 + 2 a . (a - A x) + a' E a <= |x|^2 - |a|^2 + 2 d m + |E| m^2.
#pragma once

#include <cstddef>
#include <vector>

#include "kernels/kernels.hpp"
#include "normed_rows.hpp"

namespace fr {

class Subspace {
 public:
  // The whole space, in which coordinates are the rows themselves.
  explicit Subspace(std::size_t padded_dim) : dim_(padded_dim), padded_dim_(padded_dim) {}
  // As many axes as make whole lanes; throws std::invalid_argument if they are not nearly orthonormal.
  explicit Subspace(const Rows& axes);

  std::size_t dim() const { return dim_; }
  // 2 d m + 3 |E| m^2.
  double error() const { return error_; }

  struct Projection {
    std::vector<float> coordinates;  // [count][dim()]
    std::vector<float> residuals;    // [count], not below the truth
  };
  // units: [count][padded dimension of the rows].
  Projection project(const std::vector<float>& units) const;

 private:
  std::size_t dim_;
  std::size_t padded_dim_;
  double error_ = 0;
  double squared_residual_error_ = 0;
  std::vector<float> axes_;  // [dim][padded_dim]; none for the whole space
  RowKernels kernel_ = kernels().row;
};

// The one that the axes span, or the whole space if there are none. Throws std::invalid_argument if their
// dimension is not that of the rows.
Subspace subspace_of(const NormedRows& rows, const Rows& axes);

}  // namespace fr
