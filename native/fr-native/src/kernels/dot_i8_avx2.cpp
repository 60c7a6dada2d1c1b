#include "kernels/bound_avx2.hpp"

namespace fr {
namespace {

constexpr std::size_t kTileRows = 4;
static_assert(kTileRows <= kMaxTileRows);
constexpr std::size_t kHalfPanel = 16;

// The sixteen rows from `first` on; their bits of `reach`, from bit 0. vpmaddubsw adds two products of an
// unsigned and a signed byte into 16 bits with saturation: as |y| and x * sign(y) with both in [-127, 127],
// two products are at most 2 * 127^2 = 32258 < 2^15, so nothing saturates.
void half_tile_i8(const std::int8_t* rows, const PanelRows& panel, std::size_t first, std::size_t dim,
                  const QueryBound* queries, const float* floors, float* upper, std::uint32_t* reach) {
  const __m256i ones = _mm256_set1_epi16(1);
  const __m256i bias = _mm256_set1_epi8(-128);
  __m256i sum[kTileRows][2];
  FR_UNROLL for (auto& row : sum) row[0] = row[1] = _mm256_setzero_si256();
  for (std::size_t d = 0; d < dim; d += 4) {
    const auto* at = reinterpret_cast<const __m256i*>(panel.bytes + d * kPanelRows + 4 * first);
    FR_UNROLL for (std::size_t h = 0; h < 2; ++h) {
      const __m256i y = _mm256_xor_si256(_mm256_loadu_si256(at + h), bias);
      const __m256i size = _mm256_abs_epi8(y);
      FR_UNROLL for (std::size_t r = 0; r < kTileRows; ++r) {
        const __m256i x = _mm256_set1_epi32(four_bytes(rows + r * dim + d));
        const __m256i pairs = _mm256_maddubs_epi16(size, _mm256_sign_epi8(x, y));
        sum[r][h] = _mm256_add_epi32(sum[r][h], _mm256_madd_epi16(pairs, ones));
      }
    }
  }
  FR_UNROLL for (std::size_t r = 0; r < kTileRows; ++r) {
    reach[r] = 0;
    FR_UNROLL for (std::size_t h = 0; h < 2; ++h) {
      const std::size_t c = first + 8 * h;
      reach[r] |= bound8(sum[r][h], queries[r], panel, c, floors[r], upper + r * kPanelRows) << 8 * h;
    }
  }
}

void tile_i8_avx2(const std::int8_t* rows, const PanelRows& panel, std::size_t dim, const QueryBound* queries,
                  const float* floors, float* upper, std::uint32_t* reach) {
  std::uint32_t high[kTileRows];
  half_tile_i8(rows, panel, 0, dim, queries, floors, upper, reach);
  half_tile_i8(rows, panel, kHalfPanel, dim, queries, floors, upper, high);
  for (std::size_t r = 0; r < kTileRows; ++r) reach[r] |= high[r] << kHalfPanel;
}

}  // namespace

const Tile kTileAvx2 = {kTileRows, tile_i8_avx2};

}  // namespace fr
