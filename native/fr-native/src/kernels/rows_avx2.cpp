#include <immintrin.h>

#include "kernels/for_each_lanes.hpp"
#include "kernels/kernels.hpp"

namespace fr {
namespace {

// Four times four float64 lanes.
struct Lanes {
  __m256d sum[4] = {_mm256_setzero_pd(), _mm256_setzero_pd(), _mm256_setzero_pd(), _mm256_setzero_pd()};

  double total() const {
    const __m256d four = _mm256_add_pd(_mm256_add_pd(sum[0], sum[2]), _mm256_add_pd(sum[1], sum[3]));
    const __m128d two = _mm_add_pd(_mm256_castpd256_pd128(four), _mm256_extractf128_pd(four, 1));
    return _mm_cvtsd_f64(two) + _mm_cvtsd_f64(_mm_unpackhi_pd(two, two));
  }
};

double squares_f64_avx2(const float* row, std::size_t dim) {
  Lanes lanes;
  for_each_lanes(row, dim, [&](std::size_t, const float* y) {
    FR_UNROLL for (std::size_t q = 0; q < 4; ++q) {
      const __m256d four = _mm256_cvtps_pd(_mm_loadu_ps(y + 4 * q));
      lanes.sum[q] = _mm256_fmadd_pd(four, four, lanes.sum[q]);
    }
  });
  return lanes.total();
}

void unit_f32_avx2(const float* row, double inverse_norm, std::size_t dim, float* unit) {
  const __m256d factor = _mm256_set1_pd(inverse_norm);
  std::size_t d = 0;
  for (; d + 4 <= dim; d += 4) {
    _mm_storeu_ps(unit + d, _mm256_cvtpd_ps(_mm256_mul_pd(_mm256_cvtps_pd(_mm_loadu_ps(row + d)), factor)));
  }
  for (; d < dim; ++d) unit[d] = static_cast<float>(row[d] * inverse_norm);
}

double score_f64_avx2(const float* unit, const float* row, double inverse_norm, std::size_t dim) {
  Lanes lanes;
  const __m256d factor = _mm256_set1_pd(inverse_norm);
  for_each_lanes(row, dim, [&](std::size_t d, const float* elements) {
    FR_UNROLL for (std::size_t q = 0; q < 4; ++q) {
      const __m256d exact = _mm256_mul_pd(_mm256_cvtps_pd(_mm_loadu_ps(elements + 4 * q)), factor);
      const __m256d y = _mm256_cvtps_pd(_mm256_cvtpd_ps(exact));
      const __m256d x = _mm256_cvtps_pd(_mm_loadu_ps(unit + d + 4 * q));
      lanes.sum[q] = _mm256_fmadd_pd(x, y, lanes.sum[q]);
    }
  });
  return lanes.total();
}

float dot_f32_avx2(const float* unit, const float* row, std::size_t dim) {
  __m256 low = _mm256_setzero_ps();
  __m256 high = _mm256_setzero_ps();
  for_each_lanes(row, dim, [&](std::size_t d, const float* y) {
    low = _mm256_fmadd_ps(_mm256_loadu_ps(unit + d), _mm256_loadu_ps(y), low);
    high = _mm256_fmadd_ps(_mm256_loadu_ps(unit + d + 8), _mm256_loadu_ps(y + 8), high);
  });
  const __m256 eight = _mm256_add_ps(low, high);
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
}

std::uint32_t reaching_avx2(const float* values, float floor) {
  std::uint32_t reach = 0;
  FR_UNROLL for (std::size_t c = 0; c < kPanelRows; c += 8) {
    const __m256 ge = _mm256_cmp_ps(_mm256_loadu_ps(values + c), _mm256_set1_ps(floor), _CMP_GE_OQ);
    reach |= static_cast<std::uint32_t>(_mm256_movemask_ps(ge)) << c;
  }
  return reach;
}

std::size_t count_reaching_avx2(const float* values, std::size_t count, float floor) {
  const __m256 wanted = _mm256_set1_ps(floor);
  std::size_t reaching = 0;
  std::size_t i = 0;
  for (; i + 8 <= count; i += 8) {
    const __m256 ge = _mm256_cmp_ps(_mm256_loadu_ps(values + i), wanted, _CMP_GE_OQ);
    reaching += static_cast<std::size_t>(_mm_popcnt_u32(static_cast<unsigned>(_mm256_movemask_ps(ge))));
  }
  for (; i < count; ++i) reaching += values[i] >= floor;
  return reaching;
}

}  // namespace

const RowKernels kRowsAvx2 = {squares_f64_avx2, unit_f32_avx2, score_f64_avx2,
                              dot_f32_avx2,     reaching_avx2, count_reaching_avx2};

}  // namespace fr
