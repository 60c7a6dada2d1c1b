#include <arm_neon.h>

#include "kernels/four_bytes.hpp"
#include "kernels/kernels.hpp"

namespace fr {
namespace {

constexpr std::size_t kTileRows = 4;
static_assert(kTileRows <= kMaxTileRows);
constexpr std::size_t kPartRows = 16;

int8x16_t four_bytes_everywhere(const std::int8_t* bytes) {
  return vreinterpretq_s8_s32(vdupq_n_s32(four_bytes(bytes)));
}

// Bounds of the sixteen rows from `first` on; their bits of `reach` are added. sdot: 4 lanes of 4 int8 x int8
// products each, added to int32 without saturation.
void part_tile_i8(const std::int8_t* rows, const PanelRows& panel, std::size_t first, std::size_t dim,
                  const QueryBound* queries, const float* floors, float* upper, std::uint32_t* reach) {
  const uint8x16_t bias = vdupq_n_u8(128);
  int32x4_t sum[kTileRows][4];
  for (auto& row : sum) row[0] = row[1] = row[2] = row[3] = vdupq_n_s32(0);
  for (std::size_t d = 0; d < dim; d += 4) {
    const std::uint8_t* at = panel.bytes + d * kPanelRows + 4 * first;
    int8x16_t y[4];
    FR_UNROLL for (std::size_t q = 0; q < 4; ++q) {
      y[q] = vreinterpretq_s8_u8(veorq_u8(vld1q_u8(at + 16 * q), bias));
    }
    FR_UNROLL for (std::size_t r = 0; r < kTileRows; ++r) {
      const int8x16_t x = four_bytes_everywhere(rows + r * dim + d);
      FR_UNROLL for (std::size_t q = 0; q < 4; ++q) sum[r][q] = vdotq_s32(sum[r][q], y[q], x);
    }
  }
  for (std::size_t r = 0; r < kTileRows; ++r) {
    const QueryBound& query = queries[r];
    for (std::size_t q = 0; q < 4; ++q) {
      const std::size_t c = first + 4 * q;
      const float32x4_t factor = vmulq_n_f32(vld1q_f32(panel.scale + c), query.scale);
      const float32x4_t outside =
          vaddq_f32(vmulq_n_f32(vld1q_f32(panel.residual + c), query.residual), vdupq_n_f32(query.error));
      const float32x4_t slack = vaddq_f32(vmulq_n_f32(vld1q_f32(panel.error + c), query.norm), outside);
      vst1q_f32(upper + r * kPanelRows + c, vaddq_f32(vmulq_f32(factor, vcvtq_f32_s32(sum[r][q])), slack));
    }
    for (std::size_t c = first; c < first + kPartRows; ++c) {
      reach[r] |= std::uint32_t{upper[r * kPanelRows + c] >= floors[r]} << c;
    }
  }
}

void tile_i8_neondot(const std::int8_t* rows, const PanelRows& panel, std::size_t dim,
                     const QueryBound* queries, const float* floors, float* upper, std::uint32_t* reach) {
  for (std::size_t r = 0; r < kTileRows; ++r) reach[r] = 0;
  for (std::size_t first = 0; first < kPanelRows; first += kPartRows) {
    part_tile_i8(rows, panel, first, dim, queries, floors, upper, reach);
  }
}

}  // namespace

const Tile kTileNeonDot = {kTileRows, tile_i8_neondot};

}  // namespace fr
