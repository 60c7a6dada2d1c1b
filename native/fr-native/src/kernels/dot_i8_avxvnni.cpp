#include <immintrin.h>

#include <cstring>

#include "kernels/kernels.hpp"

namespace fr {
namespace {

constexpr std::size_t kTileRows = 6;
constexpr std::size_t kHalfPanel = 16;

std::int32_t four_bytes(const std::int8_t* bytes) {
  std::int32_t word;
  std::memcpy(&word, bytes, sizeof(word));
  return word;
}

// Bounds from the sums of 8 rows, and which of them reach the floor.
std::uint32_t bound8(const std::int32_t* sums, const QueryBound& query, const float* row_scale,
                     const float* row_error, float floor, float* upper) {
  const __m256i sum = _mm256_load_si256(reinterpret_cast<const __m256i*>(sums));
  const __m256 dot = _mm256_cvtepi32_ps(_mm256_sub_epi32(sum, _mm256_set1_epi32(query.offset)));
  const __m256 factor = _mm256_mul_ps(_mm256_set1_ps(query.scale), _mm256_loadu_ps(row_scale));
  const __m256 slack =
      _mm256_fmadd_ps(_mm256_set1_ps(query.norm), _mm256_loadu_ps(row_error), _mm256_set1_ps(query.error));
  const __m256 bound = _mm256_fmadd_ps(factor, dot, slack);
  _mm256_storeu_ps(upper, bound);
  return static_cast<std::uint32_t>(
      _mm256_movemask_ps(_mm256_cmp_ps(bound, _mm256_set1_ps(floor), _CMP_GE_OQ)));
}

// The sixteen rows of the panel that `panel` points at; their bits of `reach`, from bit 0.
void half_tile_i8(const std::int8_t* rows, const std::uint8_t* panel, std::size_t dim,
                  const QueryBound* queries, const float* row_scale, const float* row_error,
                  const float* floors, float* upper, std::uint32_t* reach) {
  __m256i sum[kTileRows][2];
  FR_UNROLL for (auto& row : sum) row[0] = row[1] = _mm256_setzero_si256();
  for (std::size_t d = 0; d < dim; d += 4) {
    const auto* at = reinterpret_cast<const __m256i*>(panel + d * kPanelRows);
    const __m256i low = _mm256_loadu_si256(at);
    const __m256i high = _mm256_loadu_si256(at + 1);
    FR_UNROLL for (std::size_t r = 0; r < kTileRows; ++r) {
      const __m256i x = _mm256_set1_epi32(four_bytes(rows + r * dim + d));
      sum[r][0] = _mm256_dpbusd_avx_epi32(sum[r][0], low, x);
      sum[r][1] = _mm256_dpbusd_avx_epi32(sum[r][1], high, x);
    }
  }
  alignas(32) std::int32_t sums[kTileRows * kHalfPanel];
  FR_UNROLL for (std::size_t r = 0; r < kTileRows; ++r) {
    _mm256_store_si256(reinterpret_cast<__m256i*>(sums + r * kHalfPanel), sum[r][0]);
    _mm256_store_si256(reinterpret_cast<__m256i*>(sums + r * kHalfPanel + 8), sum[r][1]);
  }
  for (std::size_t r = 0; r < kTileRows; ++r, upper += kPanelRows) {
    const std::int32_t* row = sums + r * kHalfPanel;
    const std::uint32_t low = bound8(row, queries[r], row_scale, row_error, floors[r], upper);
    const std::uint32_t high =
        bound8(row + 8, queries[r], row_scale + 8, row_error + 8, floors[r], upper + 8);
    reach[r] = low | high << 8;
  }
}

void tile_i8_avxvnni(const std::int8_t* rows, const std::uint8_t* panel, std::size_t dim,
                     const QueryBound* queries, const float* row_scale, const float* row_error,
                     const float* floors, float* upper, std::uint32_t* reach) {
  std::uint32_t high[kTileRows];
  half_tile_i8(rows, panel, dim, queries, row_scale, row_error, floors, upper, reach);
  half_tile_i8(rows, panel + 4 * kHalfPanel, dim, queries, row_scale + kHalfPanel, row_error + kHalfPanel,
               floors, upper + kHalfPanel, high);
  for (std::size_t r = 0; r < kTileRows; ++r) reach[r] |= high[r] << kHalfPanel;
}

}  // namespace

const Kernels kAvxVnniKernels = {"avxvnni", kTileRows, kAvx2Kernels.tile_f32, kAvx2Kernels.dot_f64,
                                 tile_i8_avxvnni};

}  // namespace fr
