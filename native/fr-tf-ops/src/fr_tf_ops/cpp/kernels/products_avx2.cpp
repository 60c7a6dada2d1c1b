#include <immintrin.h>

#include "kernels/kernels.hpp"
#include "kernels/rounding.hpp"

namespace fr_tf_ops {
namespace {

// Tiles of 6 rows and 16 columns in 12 registers of 256 bits. Word k of row i is a[i * row + k * step].
template <std::size_t rows, bool adds>
inline void tile(const float* a, std::size_t row, std::size_t step, const float* b, std::size_t b_stride,
                 std::size_t depth, float* sums, std::size_t stride, Ahead& ahead) {
  const char* next = ahead.next;
  __m256 sum[rows][2];
  FR_UNROLL for (auto& pair : sum) pair[0] = pair[1] = _mm256_setzero_ps();
  for (std::size_t k = 0; k < depth; ++k, a += step, b += b_stride) {
    _mm_prefetch(next, _MM_HINT_T1);
    next += next < ahead.end ? kCacheLine : 0;
    const __m256 low = _mm256_loadu_ps(b);
    const __m256 high = _mm256_loadu_ps(b + 8);
    FR_UNROLL for (std::size_t i = 0; i < rows; ++i) {
      const __m256 word = _mm256_broadcast_ss(a + i * row);
      sum[i][0] = _mm256_fmadd_ps(word, low, sum[i][0]);
      sum[i][1] = _mm256_fmadd_ps(word, high, sum[i][1]);
    }
  }
  ahead.next = next;
  FR_UNROLL for (std::size_t i = 0; i < rows; ++i, sums += stride) {
    if constexpr (adds) {
      sum[i][0] = _mm256_add_ps(_mm256_loadu_ps(sums), sum[i][0]);
      sum[i][1] = _mm256_add_ps(_mm256_loadu_ps(sums + 8), sum[i][1]);
    }
    _mm256_storeu_ps(sums, sum[i][0]);
    _mm256_storeu_ps(sums + 8, sum[i][1]);
  }
}

template <bool along>
void multiply(std::size_t rows, std::size_t depth, Words a, Words b, float* sums, std::size_t stride,
              Ahead& ahead) {
  const std::size_t row = along ? a.stride : 1;
  const std::size_t step = along ? 1 : a.stride;
  const auto* words = static_cast<const float*>(a.data);
  for (std::size_t j = 0; j < kPanel; j += 16) {
    const float* columns = static_cast<const float*>(b.data) + j;
    std::size_t i = 0;
    for (; i + 6 <= rows; i += 6) {
      tile<6, !along>(words + i * row, row, step, columns, b.stride, depth, sums + i * stride + j, stride,
                      ahead);
    }
    if (rows - i == 4) {
      tile<4, !along>(words + i * row, row, step, columns, b.stride, depth, sums + i * stride + j, stride,
                      ahead);
    } else if (rows - i == 2) {
      tile<2, !along>(words + i * row, row, step, columns, b.stride, depth, sums + i * stride + j, stride,
                      ahead);
    }
  }
}

constexpr auto multiply_along_f32_avx2 = multiply<true>;
constexpr auto add_across_f32_avx2 = multiply<false>;

}  // namespace

const Products kFloat32Avx2 = {1, true, copy_row, copy_rows, multiply_along_f32_avx2, add_across_f32_avx2};
const Products kBfloat16Avx2 = {
    1, false, round_row, round_rows, multiply_along_f32_avx2, add_across_f32_avx2};

}  // namespace fr_tf_ops
