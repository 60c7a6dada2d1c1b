#include "kernels/rounding.hpp"

namespace fr_tf_ops {
namespace {

// Four floats of any CPU: left to itself GCC gathers steps of the depth instead of columns.
using Four = float __attribute__((vector_size(16)));

Four four_at(const float* elements) {
  Four four;
  std::memcpy(&four, elements, sizeof(four));
  return four;
}

// Tiles of kRowStep rows and 8 columns. Word k of row i is words[i * row + k * step].
template <bool adds>
void tile(const float* words, std::size_t row, std::size_t step, const float* columns,
          std::size_t column_stride, std::size_t depth, float* sums, std::size_t stride) {
  Four sum[kRowStep][2] = {};
  for (std::size_t k = 0; k < depth; ++k, words += step, columns += column_stride) {
    const Four low = four_at(columns);
    const Four high = four_at(columns + 4);
    FR_UNROLL for (std::size_t i = 0; i < kRowStep; ++i) {
      sum[i][0] += words[i * row] * low;
      sum[i][1] += words[i * row] * high;
    }
  }
  for (std::size_t i = 0; i < kRowStep; ++i, sums += stride) {
    if constexpr (adds) {
      sum[i][0] += four_at(sums);
      sum[i][1] += four_at(sums + 4);
    }
    std::memcpy(sums, sum[i], sizeof(sum[i]));
  }
}

// Leaves it to the CPU to fetch what is ahead.
template <bool along>
void multiply(std::size_t rows, std::size_t depth, Words a, Words b, float* sums, std::size_t stride,
              Ahead&) {
  const std::size_t row = along ? a.stride : 1;
  const std::size_t step = along ? 1 : a.stride;
  const auto* words = static_cast<const float*>(a.data);
  for (std::size_t j = 0; j < kPanel; j += 8) {
    const float* columns = static_cast<const float*>(b.data) + j;
    for (std::size_t i = 0; i < rows; i += kRowStep) {
      tile<!along>(words + i * row, row, step, columns, b.stride, depth, sums + i * stride + j, stride);
    }
  }
}

constexpr auto multiply_along_f32_generic = multiply<true>;
constexpr auto add_across_f32_generic = multiply<false>;

}  // namespace

const Products kFloat32Generic = {
    1, true, copy_row, copy_rows, multiply_along_f32_generic, add_across_f32_generic};
const Products kBfloat16Generic = {
    1, false, round_row, round_rows, multiply_along_f32_generic, add_across_f32_generic};

}  // namespace fr_tf_ops
