#include "row_words.hpp"

namespace fr_tf_ops {

RowWords::RowWords(const Products& products, std::size_t most_rows, std::size_t stride)
    : products_(products), stride_(stride) {
  if (!products.plain) words_ = AlignedBuffer<float>(most_rows * stride / products.group);
}

Words RowWords::along(const float* rows, std::size_t count) {
  if (products_.plain) return {rows, stride_};
  const Words words = {words_.data(), stride_ / products_.group};
  for (std::size_t r = 0; r < count; ++r) {
    products_.along(rows + r * stride_, stride_, words_.data() + r * words.stride);
  }
  return words;
}

Words RowWords::across(const float* rows, std::size_t count) {
  if (products_.plain) return {rows, stride_};
  for (std::size_t r = 0; r < count; r += products_.group) {
    products_.across(rows + r * stride_, stride_, stride_, words_.data() + r / products_.group * stride_);
  }
  return {words_.data(), stride_};
}

}  // namespace fr_tf_ops
