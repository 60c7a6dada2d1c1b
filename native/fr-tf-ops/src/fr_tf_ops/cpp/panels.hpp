// The right-hand side of a product: rows across the depth, in panels of kPanel columns, each of them
// contiguous.
#pragma once

#include "aligned_buffer.hpp"
#include "kernels/kernels.hpp"

namespace fr_tf_ops {

class Panels {
 public:
  // `rows` has `depth` rows of `columns` elements.
  Panels(const Products& products, const float* rows, std::size_t depth, std::size_t columns);

  std::size_t count() const { return count_; }
  // Words along the depth.
  std::size_t depth() const { return depth_; }
  Words operator[](std::size_t panel) const { return {words_.data() + panel * depth_ * kPanel, kPanel}; }

 private:
  std::size_t count_;
  std::size_t depth_;
  AlignedBuffer<float> words_;
};

// `rows` has `count` rows of `dim` elements; the result `dim` rows of `count`.
AlignedBuffer<float> transposed(const float* rows, std::size_t count, std::size_t dim);

}  // namespace fr_tf_ops
