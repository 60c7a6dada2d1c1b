#include <immintrin.h>

#include <cstring>

#include "kernels/kernels.hpp"

namespace fr {
namespace {

constexpr std::size_t kTileRows = 6;

std::int32_t four_bytes(const std::int8_t* bytes) {
  std::int32_t word;
  std::memcpy(&word, bytes, sizeof(word));
  return word;
}

// The sixteen rows of the panel that `panel` points at.
void half_tile_i8(const std::int8_t* rows, const std::uint8_t* panel, std::size_t dim, std::int32_t* dots) {
  __m256i sum[kTileRows][2];
  for (auto& row : sum) row[0] = row[1] = _mm256_setzero_si256();
  for (std::size_t d = 0; d < dim; d += 4) {
    const auto* at = reinterpret_cast<const __m256i*>(panel + d * kPanelRows);
    const __m256i low = _mm256_loadu_si256(at);
    const __m256i high = _mm256_loadu_si256(at + 1);
    for (std::size_t r = 0; r < kTileRows; ++r) {
      const __m256i x = _mm256_set1_epi32(four_bytes(rows + r * dim + d));
      sum[r][0] = _mm256_dpbusd_avx_epi32(sum[r][0], low, x);
      sum[r][1] = _mm256_dpbusd_avx_epi32(sum[r][1], high, x);
    }
  }
  for (std::size_t r = 0; r < kTileRows; ++r) {
    auto* to = reinterpret_cast<__m256i*>(dots + r * kPanelRows);
    _mm256_storeu_si256(to, sum[r][0]);
    _mm256_storeu_si256(to + 1, sum[r][1]);
  }
}

void tile_i8_avxvnni(const std::int8_t* rows, const std::uint8_t* panel, std::size_t dim,
                     std::int32_t* dots) {
  half_tile_i8(rows, panel, dim, dots);
  half_tile_i8(rows, panel + 64, dim, dots + 16);
}

void upper_i8_avxvnni(const std::int32_t* dots, const QueryBound& query, const float* row_scale,
                      const float* row_error, float* upper) {
  const __m256 scale = _mm256_set1_ps(query.scale);
  const __m256 norm = _mm256_set1_ps(query.norm);
  const __m256 error = _mm256_set1_ps(query.error);
  const __m256i offset = _mm256_set1_epi32(query.offset);
  for (std::size_t c = 0; c < kPanelRows; c += 8) {
    const __m256i integer = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(dots + c));
    const __m256 dot = _mm256_cvtepi32_ps(_mm256_sub_epi32(integer, offset));
    const __m256 factor = _mm256_mul_ps(scale, _mm256_loadu_ps(row_scale + c));
    const __m256 slack = _mm256_fmadd_ps(norm, _mm256_loadu_ps(row_error + c), error);
    _mm256_storeu_ps(upper + c, _mm256_fmadd_ps(factor, dot, slack));
  }
}

}  // namespace

const Kernels kAvxVnniKernels = {
    "avxvnni", kTileRows, kAvx2Kernels.tile_f32, kAvx2Kernels.dot_f64, tile_i8_avxvnni, upper_i8_avxvnni};

}  // namespace fr
