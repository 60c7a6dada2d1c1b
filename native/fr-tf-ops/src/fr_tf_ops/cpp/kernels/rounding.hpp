// Rows as words of one float32: as they are, or rounded to bfloat16.
#pragma once

#include <cstring>

#include "kernels/kernels.hpp"

namespace fr_tf_ops {
namespace {

inline void copy_row(const float* row, std::size_t elements, void* words) {
  std::memcpy(words, row, elements * sizeof(float));
}

inline void copy_rows(const float* rows, std::size_t, std::size_t elements, void* words) {
  copy_row(rows, elements, words);
}

inline void round_row(const float* row, std::size_t elements, void* words) {
  for (std::size_t i = 0; i < elements; ++i) static_cast<float*>(words)[i] = bfloat16_value(row[i]);
}

inline void round_rows(const float* rows, std::size_t, std::size_t elements, void* words) {
  round_row(rows, elements, words);
}

}  // namespace
}  // namespace fr_tf_ops
