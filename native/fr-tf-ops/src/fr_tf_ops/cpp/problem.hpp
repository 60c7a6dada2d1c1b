// What all sums over classes are given.
#pragma once

#include "kernels/kernels.hpp"
#include "parallel.hpp"

namespace fr_tf_ops {

struct Problem {
  const float* x;  // [samples][dim]
  std::size_t samples;
  std::size_t dim;
  const void* weights;  // [classes * parts][dim], of `type`
  RowType type;
  std::size_t classes;
  std::size_t parts;           // rows of a class: its sub-centres
  const std::int32_t* labels;  // of samples, each in [0, classes)
};

// Who computes them.
struct Engine {
  const Kernels& kernels;
  const Products& products;
  const Pool& pool;
};

inline std::size_t element_bytes(RowType type) { return type == RowType::kFloat32 ? 4 : 2; }

// Samples in whole panels, as the columns of tiles are.
inline std::size_t padded_samples(const Problem& problem) {
  return (problem.samples + kPanel - 1) / kPanel * kPanel;
}

}  // namespace fr_tf_ops
