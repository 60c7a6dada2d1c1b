#include <immintrin.h>

#include "kernels/for_each_lanes.hpp"
#include "kernels/kernels.hpp"

namespace fr {
namespace {

// Twice eight float64 lanes.
struct Lanes {
  __m512d low = _mm512_setzero_pd();
  __m512d high = _mm512_setzero_pd();

  double total() const {
    const __m512d eight = _mm512_add_pd(low, high);
    const __m256d four = _mm256_add_pd(_mm512_castpd512_pd256(eight), _mm512_extractf64x4_pd(eight, 1));
    const __m128d two = _mm_add_pd(_mm256_castpd256_pd128(four), _mm256_extractf128_pd(four, 1));
    return _mm_cvtsd_f64(two) + _mm_cvtsd_f64(_mm_unpackhi_pd(two, two));
  }
};

__m512d eight_at(const float* elements) { return _mm512_cvtps_pd(_mm256_loadu_ps(elements)); }

double squares_f64_avx512(const float* row, std::size_t dim) {
  Lanes lanes;
  for_each_lanes(row, dim, [&](std::size_t, const float* y) {
    lanes.low = _mm512_fmadd_pd(eight_at(y), eight_at(y), lanes.low);
    lanes.high = _mm512_fmadd_pd(eight_at(y + 8), eight_at(y + 8), lanes.high);
  });
  return lanes.total();
}

void unit_f32_avx512(const float* row, double inverse_norm, std::size_t dim, float* unit) {
  const __m512d factor = _mm512_set1_pd(inverse_norm);
  for (std::size_t d = 0; d < dim; d += 8) {
    const auto present = static_cast<__mmask8>(dim - d >= 8 ? 0xff : (1u << (dim - d)) - 1);
    const __m512d eight = _mm512_cvtps_pd(_mm512_castps512_ps256(_mm512_maskz_loadu_ps(present, row + d)));
    const __m256 rounded = _mm512_cvtpd_ps(_mm512_mul_pd(eight, factor));
    _mm512_mask_storeu_ps(unit + d, present, _mm512_castps256_ps512(rounded));
  }
}

double score_f64_avx512(const float* unit, const float* row, double inverse_norm, std::size_t dim) {
  Lanes lanes;
  const __m512d factor = _mm512_set1_pd(inverse_norm);
  const auto unit_of = [factor](__m512d exact) {
    return _mm512_cvtps_pd(_mm512_cvtpd_ps(_mm512_mul_pd(exact, factor)));
  };
  for_each_lanes(row, dim, [&](std::size_t d, const float* y) {
    lanes.low = _mm512_fmadd_pd(eight_at(unit + d), unit_of(eight_at(y)), lanes.low);
    lanes.high = _mm512_fmadd_pd(eight_at(unit + d + 8), unit_of(eight_at(y + 8)), lanes.high);
  });
  return lanes.total();
}

float dot_f32_avx512(const float* unit, const float* row, std::size_t dim) {
  __m512 sum[4] = {_mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps()};
  const std::size_t whole = dim / (4 * kLanes) * (4 * kLanes);
  for (std::size_t d = 0; d < whole; d += 4 * kLanes) {
    FR_UNROLL for (std::size_t q = 0; q < 4; ++q) {
      const std::size_t at = d + q * kLanes;
      sum[q] = _mm512_fmadd_ps(_mm512_loadu_ps(unit + at), _mm512_loadu_ps(row + at), sum[q]);
    }
  }
  for_each_lanes(row + whole, dim - whole, [&](std::size_t d, const float* y) {
    sum[0] = _mm512_fmadd_ps(_mm512_loadu_ps(unit + whole + d), _mm512_loadu_ps(y), sum[0]);
  });
  return _mm512_reduce_add_ps(_mm512_add_ps(_mm512_add_ps(sum[0], sum[1]), _mm512_add_ps(sum[2], sum[3])));
}

std::uint32_t reaching_avx512(const float* values, float floor) {
  const __m512 wanted = _mm512_set1_ps(floor);
  const std::uint32_t low = _mm512_cmp_ps_mask(_mm512_loadu_ps(values), wanted, _CMP_GE_OQ);
  const std::uint32_t high = _mm512_cmp_ps_mask(_mm512_loadu_ps(values + 16), wanted, _CMP_GE_OQ);
  return low | high << 16;
}

std::size_t count_reaching_avx512(const float* values, std::size_t count, float floor) {
  const __m512 wanted = _mm512_set1_ps(floor);
  std::size_t reaching = 0;
  std::size_t i = 0;
  for (; i + 16 <= count; i += 16) {
    const auto ge = _mm512_cmp_ps_mask(_mm512_loadu_ps(values + i), wanted, _CMP_GE_OQ);
    reaching += static_cast<std::size_t>(_mm_popcnt_u32(ge));
  }
  for (; i < count; ++i) reaching += values[i] >= floor;
  return reaching;
}

}  // namespace

const RowKernels kRowsAvx512 = {squares_f64_avx512, unit_f32_avx512, score_f64_avx512,
                                dot_f32_avx512,     reaching_avx512, count_reaching_avx512};

}  // namespace fr
