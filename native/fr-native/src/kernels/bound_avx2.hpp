// From int32 sums to bounds, shared by the 256-bit tiles. Included by sources compiled for AVX2 and FMA.
#pragma once

#include <immintrin.h>

#include "kernels/four_bytes.hpp"
#include "kernels/kernels.hpp"

namespace fr {
namespace {

// Bounds of 8 rows of the panel from the wanted sums, and which of them reach the floor.
inline std::uint32_t bound8(__m256i sums, const QueryBound& query, const PanelRows& panel, std::size_t first,
                            float floor, float* upper) {
  const __m256 factor = _mm256_mul_ps(_mm256_set1_ps(query.scale), _mm256_loadu_ps(panel.scale + first));
  const __m256 outside = _mm256_fmadd_ps(
      _mm256_set1_ps(query.residual), _mm256_loadu_ps(panel.residual + first), _mm256_set1_ps(query.error));
  const __m256 slack =
      _mm256_fmadd_ps(_mm256_set1_ps(query.norm), _mm256_loadu_ps(panel.error + first), outside);
  const __m256 bound = _mm256_fmadd_ps(factor, _mm256_cvtepi32_ps(sums), slack);
  _mm256_storeu_ps(upper + first, bound);
  return static_cast<std::uint32_t>(
      _mm256_movemask_ps(_mm256_cmp_ps(bound, _mm256_set1_ps(floor), _CMP_GE_OQ)));
}

}  // namespace
}  // namespace fr
