// The words of rows of float32, rows with `stride` elements from one to the next: the rows themselves where
// they are words as they are, a copy elsewhere.
#pragma once

#include "aligned_buffer.hpp"
#include "kernels/kernels.hpp"

namespace fr_tf_ops {

class RowWords {
 public:
  RowWords(const Products& products, std::size_t most_rows, std::size_t stride);

  // Rows along the depth of a product.
  Words along(const float* rows, std::size_t count);
  // Rows across the depth; `count` is a multiple of the words' group.
  Words across(const float* rows, std::size_t count);

 private:
  const Products& products_;
  std::size_t stride_;
  AlignedBuffer<float> words_;
};

}  // namespace fr_tf_ops
