// Rows by whole lanes, shared by kernels; in an unnamed namespace, so that each source keeps its own.
#pragma once

#include <cstring>

#include "kernels/kernels.hpp"

namespace fr {
namespace {

// Calls add(first, elements) for each kLanes elements, the last ones padded with zeros.
template <typename Add>
void for_each_lanes(const float* row, std::size_t dim, const Add& add) {
  const std::size_t whole = dim / kLanes * kLanes;
  for (std::size_t d = 0; d < whole; d += kLanes) add(d, row + d);
  if (whole == dim) return;
  float tail[kLanes] = {};
  std::memcpy(tail, row + whole, (dim - whole) * sizeof(float));
  add(whole, tail);
}

}  // namespace
}  // namespace fr
