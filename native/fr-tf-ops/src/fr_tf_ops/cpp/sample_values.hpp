// Values of samples, padded to whole panels as kernels read them.
#pragma once

#include <vector>

#include "problem.hpp"

namespace fr_tf_ops {

constexpr std::int32_t kNoLabel = -1;

template <typename T>
std::vector<T> padded(const T* values, const Problem& problem, T fill) {
  std::vector<T> all(padded_samples(problem), fill);
  for (std::size_t b = 0; b < problem.samples; ++b) all[b] = values[b];
  return all;
}

}  // namespace fr_tf_ops
