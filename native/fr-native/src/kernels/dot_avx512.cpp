#include <immintrin.h>

#include "kernels/kernels.hpp"

namespace fr {
namespace {

constexpr std::size_t kTileRows = 12;

void tile_f32_avx512(const float* rows, const float* panel, std::size_t dim, float error, const float* floors,
                     float* upper, std::uint32_t* reach) {
  __m512 sum[kTileRows][2];
  for (auto& row : sum) row[0] = row[1] = _mm512_setzero_ps();
  for (std::size_t d = 0; d < dim; ++d) {
    const __m512 low = _mm512_loadu_ps(panel + d * kPanelRows);
    const __m512 high = _mm512_loadu_ps(panel + d * kPanelRows + 16);
    for (std::size_t r = 0; r < kTileRows; ++r) {
      const __m512 x = _mm512_set1_ps(rows[r * dim + d]);
      sum[r][0] = _mm512_fmadd_ps(x, low, sum[r][0]);
      sum[r][1] = _mm512_fmadd_ps(x, high, sum[r][1]);
    }
  }
  for (std::size_t r = 0; r < kTileRows; ++r) {
    const __m512 floor = _mm512_set1_ps(floors[r]);
    const __m512 low = _mm512_add_ps(sum[r][0], _mm512_set1_ps(error));
    const __m512 high = _mm512_add_ps(sum[r][1], _mm512_set1_ps(error));
    _mm512_storeu_ps(upper + r * kPanelRows, low);
    _mm512_storeu_ps(upper + r * kPanelRows + 16, high);
    reach[r] = _mm512_cmp_ps_mask(low, floor, _CMP_GE_OQ) |
               static_cast<std::uint32_t>(_mm512_cmp_ps_mask(high, floor, _CMP_GE_OQ)) << 16;
  }
}

double dot_f64_avx512(const float* a, const float* b, std::size_t dim) {
  __m512d low = _mm512_setzero_pd();
  __m512d high = _mm512_setzero_pd();
  for (std::size_t d = 0; d < dim; d += kLanes) {
    low = _mm512_fmadd_pd(_mm512_cvtps_pd(_mm256_loadu_ps(a + d)), _mm512_cvtps_pd(_mm256_loadu_ps(b + d)),
                          low);
    high = _mm512_fmadd_pd(_mm512_cvtps_pd(_mm256_loadu_ps(a + d + 8)),
                           _mm512_cvtps_pd(_mm256_loadu_ps(b + d + 8)), high);
  }
  const __m512d eight = _mm512_add_pd(low, high);
  const __m256d four = _mm256_add_pd(_mm512_castpd512_pd256(eight), _mm512_extractf64x4_pd(eight, 1));
  const __m128d two = _mm_add_pd(_mm256_castpd256_pd128(four), _mm256_extractf128_pd(four, 1));
  return _mm_cvtsd_f64(two) + _mm_cvtsd_f64(_mm_unpackhi_pd(two, two));
}

}  // namespace

const Kernels kAvx512Kernels = {"avx512", kTileRows, tile_f32_avx512, dot_f64_avx512, nullptr};

}  // namespace fr
