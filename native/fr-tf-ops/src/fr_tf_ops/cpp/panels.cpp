#include "panels.hpp"

#include <algorithm>
#include <cstring>

namespace fr_tf_ops {

Panels::Panels(const Products& products, const float* rows, std::size_t depth, std::size_t columns)
    : count_((columns + kPanel - 1) / kPanel),
      depth_((depth + products.group - 1) / products.group),
      words_(count_ * depth_ * kPanel) {
  AlignedBuffer<float> padded(products.group * kPanel);
  for (std::size_t panel = 0; panel < count_; ++panel) {
    const std::size_t first = panel * kPanel;
    const std::size_t width = std::min(kPanel, columns - first);
    for (std::size_t word = 0; word < depth_; ++word) {
      for (std::size_t i = 0; i < products.group; ++i) {
        const std::size_t row = word * products.group + i;
        float* to = padded.data() + i * kPanel;
        if (row < depth) {
          std::memcpy(to, rows + row * columns + first, width * sizeof(float));
        } else {
          std::fill(to, to + kPanel, 0.0f);
        }
      }
      products.across(padded.data(), kPanel, kPanel, words_.data() + (panel * depth_ + word) * kPanel);
    }
  }
}

AlignedBuffer<float> transposed(const float* rows, std::size_t count, std::size_t dim) {
  AlignedBuffer<float> columns(count * dim);
  constexpr std::size_t kSide = 16;  // elements of a cache line
  for (std::size_t r = 0; r < count; r += kSide) {
    for (std::size_t d = 0; d < dim; d += kSide) {
      for (std::size_t j = d; j < std::min(d + kSide, dim); ++j) {
        for (std::size_t i = r; i < std::min(r + kSide, count); ++i) {
          columns.data()[j * count + i] = rows[i * dim + j];
        }
      }
    }
  }
  return columns;
}

}  // namespace fr_tf_ops
