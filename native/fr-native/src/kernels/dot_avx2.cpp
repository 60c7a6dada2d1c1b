#include <immintrin.h>

#include "kernels/kernels.hpp"

namespace fr {
namespace {

constexpr std::size_t kTileRows = 6;
constexpr std::size_t kHalfPanel = 16;

void half_tile_f32_avx2(const float* rows, const float* panel, std::size_t dim, float* scores) {
  __m256 sum[kTileRows][2];
  for (auto& row : sum) row[0] = row[1] = _mm256_setzero_ps();
  for (std::size_t d = 0; d < dim; ++d) {
    const __m256 low = _mm256_loadu_ps(panel + d * kPanelRows);
    const __m256 high = _mm256_loadu_ps(panel + d * kPanelRows + 8);
    for (std::size_t r = 0; r < kTileRows; ++r) {
      const __m256 x = _mm256_broadcast_ss(rows + r * dim + d);
      sum[r][0] = _mm256_fmadd_ps(x, low, sum[r][0]);
      sum[r][1] = _mm256_fmadd_ps(x, high, sum[r][1]);
    }
  }
  for (std::size_t r = 0; r < kTileRows; ++r) {
    _mm256_storeu_ps(scores + r * kPanelRows, sum[r][0]);
    _mm256_storeu_ps(scores + r * kPanelRows + 8, sum[r][1]);
  }
}

void tile_f32_avx2(const float* rows, const float* panel, std::size_t dim, float* scores) {
  half_tile_f32_avx2(rows, panel, dim, scores);
  half_tile_f32_avx2(rows, panel + kHalfPanel, dim, scores + kHalfPanel);
}

double dot_f64_avx2(const float* a, const float* b, std::size_t dim) {
  __m256d sum[4];
  for (auto& lanes : sum) lanes = _mm256_setzero_pd();
  for (std::size_t d = 0; d < dim; d += kLanes) {
    for (std::size_t q = 0; q < 4; ++q) {
      const __m256d x = _mm256_cvtps_pd(_mm_loadu_ps(a + d + 4 * q));
      const __m256d y = _mm256_cvtps_pd(_mm_loadu_ps(b + d + 4 * q));
      sum[q] = _mm256_fmadd_pd(x, y, sum[q]);
    }
  }
  const __m256d four = _mm256_add_pd(_mm256_add_pd(sum[0], sum[2]), _mm256_add_pd(sum[1], sum[3]));
  const __m128d two = _mm_add_pd(_mm256_castpd256_pd128(four), _mm256_extractf128_pd(four, 1));
  return _mm_cvtsd_f64(two) + _mm_cvtsd_f64(_mm_unpackhi_pd(two, two));
}

}  // namespace

const Kernels kAvx2Kernels = {"avx2", kTileRows, tile_f32_avx2, dot_f64_avx2, nullptr, nullptr};

}  // namespace fr
