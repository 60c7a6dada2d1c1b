#include <immintrin.h>

#include <cstring>

#include "kernels/kernels.hpp"

namespace fr {
namespace {

constexpr std::size_t kTileRows = 12;

std::int32_t four_bytes(const std::int8_t* bytes) {
  std::int32_t word;
  std::memcpy(&word, bytes, sizeof(word));
  return word;
}

// vpdpbusd: 16 lanes of 4 uint8 x int8 products each, added to int32 without saturation.
void tile_i8_avx512vnni(const std::int8_t* rows, const std::uint8_t* panel, std::size_t dim,
                        std::int32_t* dots) {
  __m512i sum[kTileRows][2];
  for (auto& row : sum) row[0] = row[1] = _mm512_setzero_si512();
  for (std::size_t d = 0; d < dim; d += 4) {
    const __m512i low = _mm512_loadu_si512(panel + d * kPanelRows);
    const __m512i high = _mm512_loadu_si512(panel + d * kPanelRows + 64);
    for (std::size_t r = 0; r < kTileRows; ++r) {
      const __m512i x = _mm512_set1_epi32(four_bytes(rows + r * dim + d));
      sum[r][0] = _mm512_dpbusd_epi32(sum[r][0], low, x);
      sum[r][1] = _mm512_dpbusd_epi32(sum[r][1], high, x);
    }
  }
  for (std::size_t r = 0; r < kTileRows; ++r) {
    _mm512_storeu_si512(dots + r * kPanelRows, sum[r][0]);
    _mm512_storeu_si512(dots + r * kPanelRows + 16, sum[r][1]);
  }
}

void upper_i8_avx512vnni(const std::int32_t* dots, const QueryBound& query, const float* row_scale,
                         const float* row_error, float* upper) {
  const __m512 scale = _mm512_set1_ps(query.scale);
  const __m512 norm = _mm512_set1_ps(query.norm);
  const __m512 error = _mm512_set1_ps(query.error);
  const __m512i offset = _mm512_set1_epi32(query.offset);
  for (std::size_t c = 0; c < kPanelRows; c += 16) {
    const __m512 dot = _mm512_cvtepi32_ps(_mm512_sub_epi32(_mm512_loadu_si512(dots + c), offset));
    const __m512 factor = _mm512_mul_ps(scale, _mm512_loadu_ps(row_scale + c));
    const __m512 slack = _mm512_fmadd_ps(norm, _mm512_loadu_ps(row_error + c), error);
    _mm512_storeu_ps(upper + c, _mm512_fmadd_ps(factor, dot, slack));
  }
}

}  // namespace

const Kernels kAvx512VnniKernels = {"avx512vnni",           kTileRows,          kAvx512Kernels.tile_f32,
                                    kAvx512Kernels.dot_f64, tile_i8_avx512vnni, upper_i8_avx512vnni};

}  // namespace fr
