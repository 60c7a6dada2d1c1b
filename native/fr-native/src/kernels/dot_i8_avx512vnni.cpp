#include <immintrin.h>

#include "kernels/four_bytes.hpp"
#include "kernels/kernels.hpp"

namespace fr {
namespace {

constexpr std::size_t kTileRows = 12;
static_assert(kTileRows <= kMaxTileRows);

// Bounds of 16 rows of the panel from its sums, and which of them reach the floor.
std::uint32_t bound16(const std::int32_t* sums, const QueryBound& query, const PanelRows& panel,
                      std::size_t first, float floor, float* upper) {
  const __m512 dot =
      _mm512_cvtepi32_ps(_mm512_sub_epi32(_mm512_load_si512(sums + first), _mm512_set1_epi32(query.offset)));
  const __m512 factor = _mm512_mul_ps(_mm512_set1_ps(query.scale), _mm512_loadu_ps(panel.scale + first));
  const __m512 outside = _mm512_fmadd_ps(
      _mm512_set1_ps(query.residual), _mm512_loadu_ps(panel.residual + first), _mm512_set1_ps(query.error));
  const __m512 slack =
      _mm512_fmadd_ps(_mm512_set1_ps(query.norm), _mm512_loadu_ps(panel.error + first), outside);
  const __m512 bound = _mm512_fmadd_ps(factor, dot, slack);
  _mm512_storeu_ps(upper + first, bound);
  return _mm512_cmp_ps_mask(bound, _mm512_set1_ps(floor), _CMP_GE_OQ);
}

// vpdpbusd: 16 lanes of 4 uint8 x int8 products each, added to int32 without saturation.
void tile_i8_avx512vnni(const std::int8_t* rows, const PanelRows& panel, std::size_t dim,
                        const QueryBound* queries, const float* floors, float* upper, std::uint32_t* reach) {
  __m512i sum[kTileRows][2];
  FR_UNROLL for (auto& row : sum) row[0] = row[1] = _mm512_setzero_si512();
  for (std::size_t d = 0; d < dim; d += 4) {
    const __m512i low = _mm512_loadu_si512(panel.bytes + d * kPanelRows);
    const __m512i high = _mm512_loadu_si512(panel.bytes + d * kPanelRows + 64);
    FR_UNROLL for (std::size_t r = 0; r < kTileRows; ++r) {
      const __m512i x = _mm512_set1_epi32(four_bytes(rows + r * dim + d));
      sum[r][0] = _mm512_dpbusd_epi32(sum[r][0], low, x);
      sum[r][1] = _mm512_dpbusd_epi32(sum[r][1], high, x);
    }
  }
  alignas(64) std::int32_t sums[kTileRows * kPanelRows];
  FR_UNROLL for (std::size_t r = 0; r < kTileRows; ++r) {
    _mm512_store_si512(sums + r * kPanelRows, sum[r][0]);
    _mm512_store_si512(sums + r * kPanelRows + 16, sum[r][1]);
  }
  for (std::size_t r = 0; r < kTileRows; ++r, upper += kPanelRows) {
    const std::int32_t* row = sums + r * kPanelRows;
    const std::uint32_t low = bound16(row, queries[r], panel, 0, floors[r], upper);
    const std::uint32_t high = bound16(row, queries[r], panel, 16, floors[r], upper);
    reach[r] = low | high << 16;
  }
}

}  // namespace

const Tile kTileAvx512Vnni = {kTileRows, tile_i8_avx512vnni};

}  // namespace fr
