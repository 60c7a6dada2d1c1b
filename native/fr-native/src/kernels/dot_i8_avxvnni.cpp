#include "kernels/bound_avx2.hpp"

namespace fr {
namespace {

constexpr std::size_t kTileRows = 6;
static_assert(kTileRows <= kMaxTileRows);
constexpr std::size_t kHalfPanel = 16;

// The sixteen rows from `first` on; their bits of `reach`, from bit 0. vpdpbusd: 8 lanes of 4 uint8 x int8
// products each, added to int32 without saturation.
void half_tile_i8(const std::int8_t* rows, const PanelRows& panel, std::size_t first, std::size_t dim,
                  const QueryBound* queries, const float* floors, float* upper, std::uint32_t* reach) {
  __m256i sum[kTileRows][2];
  FR_UNROLL for (auto& row : sum) row[0] = row[1] = _mm256_setzero_si256();
  for (std::size_t d = 0; d < dim; d += 4) {
    const auto* at = reinterpret_cast<const __m256i*>(panel.bytes + d * kPanelRows + 4 * first);
    const __m256i low = _mm256_loadu_si256(at);
    const __m256i high = _mm256_loadu_si256(at + 1);
    FR_UNROLL for (std::size_t r = 0; r < kTileRows; ++r) {
      const __m256i x = _mm256_set1_epi32(four_bytes(rows + r * dim + d));
      sum[r][0] = _mm256_dpbusd_avx_epi32(sum[r][0], low, x);
      sum[r][1] = _mm256_dpbusd_avx_epi32(sum[r][1], high, x);
    }
  }
  FR_UNROLL for (std::size_t r = 0; r < kTileRows; ++r) {
    reach[r] = 0;
    FR_UNROLL for (std::size_t h = 0; h < 2; ++h) {
      const __m256i wanted = _mm256_sub_epi32(sum[r][h], _mm256_set1_epi32(queries[r].offset));
      const std::size_t c = first + 8 * h;
      reach[r] |= bound8(wanted, queries[r], panel, c, floors[r], upper + r * kPanelRows) << 8 * h;
    }
  }
}

void tile_i8_avxvnni(const std::int8_t* rows, const PanelRows& panel, std::size_t dim,
                     const QueryBound* queries, const float* floors, float* upper, std::uint32_t* reach) {
  std::uint32_t high[kTileRows];
  half_tile_i8(rows, panel, 0, dim, queries, floors, upper, reach);
  half_tile_i8(rows, panel, kHalfPanel, dim, queries, floors, upper, high);
  for (std::size_t r = 0; r < kTileRows; ++r) reach[r] |= high[r] << kHalfPanel;
}

}  // namespace

const Tile kTileAvxVnni = {kTileRows, tile_i8_avxvnni};

}  // namespace fr
