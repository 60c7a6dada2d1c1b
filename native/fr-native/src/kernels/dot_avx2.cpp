#include <immintrin.h>

#include "kernels/kernels.hpp"

namespace fr {
namespace {

constexpr std::size_t kTileRows = 6;
constexpr std::size_t kHalfPanel = 16;

// The sixteen rows of the panel that `panel` points at; their bits of `reach`, from bit 0.
void half_tile_f32_avx2(const float* rows, const float* panel, std::size_t dim, float error,
                        const float* floors, float* upper, std::uint32_t* reach) {
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
    const __m256 floor = _mm256_set1_ps(floors[r]);
    const __m256 low = _mm256_add_ps(sum[r][0], _mm256_set1_ps(error));
    const __m256 high = _mm256_add_ps(sum[r][1], _mm256_set1_ps(error));
    _mm256_storeu_ps(upper + r * kPanelRows, low);
    _mm256_storeu_ps(upper + r * kPanelRows + 8, high);
    const int low_mask = _mm256_movemask_ps(_mm256_cmp_ps(low, floor, _CMP_GE_OQ));
    const int high_mask = _mm256_movemask_ps(_mm256_cmp_ps(high, floor, _CMP_GE_OQ));
    reach[r] = static_cast<std::uint32_t>(low_mask | high_mask << 8);
  }
}

void tile_f32_avx2(const float* rows, const float* panel, std::size_t dim, float error, const float* floors,
                   float* upper, std::uint32_t* reach) {
  std::uint32_t high[kTileRows];
  half_tile_f32_avx2(rows, panel, dim, error, floors, upper, reach);
  half_tile_f32_avx2(rows, panel + kHalfPanel, dim, error, floors, upper + kHalfPanel, high);
  for (std::size_t r = 0; r < kTileRows; ++r) reach[r] |= high[r] << kHalfPanel;
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

const Kernels kAvx2Kernels = {"avx2", kTileRows, tile_f32_avx2, dot_f64_avx2, nullptr};

}  // namespace fr
