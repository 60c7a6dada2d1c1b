// A subspace that holds unit rows nearly whole, so that their products need fewer dimensions.
//
// Axes A, one a row and nearly orthonormal: A A' = I + E. A unit row x has coordinates a, what float32 makes
// of A x, |a - A x| <= d; its residual r = |x - A' a|. Then
//   |x . y - a . b| <= r s + 2 d + 3 |E|
// for coordinates b and residual s of y, as A (x - A' a) = (A x - a) - E a, and
//   r^2 = |x|^2 - |a|^2 + 2 a . (a - A x) + a' E a <= 1 - |a|^2 + 2 d + |E|.
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
  // As many axes as make whole lanes.
  explicit Subspace(const Rows& axes);

  std::size_t dim() const { return dim_; }
  // 2 d + 3 |E|.
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
};

// The one that the axes span, or the whole space if there are none.
inline Subspace subspace_of(const NormedRows& rows, const Rows& axes) {
  return axes.count == 0 ? Subspace(rows.padded_dim()) : Subspace(axes);
}

}  // namespace fr
