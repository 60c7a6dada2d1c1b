#include "kernels/kernels.hpp"

namespace fr {
namespace {

constexpr std::size_t kTileRows = 4;
static_assert(kTileRows <= kMaxTileRows);

void tile_i8_generic(const std::int8_t* rows, const PanelRows& panel, std::size_t dim,
                     const QueryBound* queries, const float* floors, float* upper, std::uint32_t* reach) {
  for (std::size_t r = 0; r < kTileRows; ++r, upper += kPanelRows) {
    std::int32_t sums[kPanelRows] = {};
    for (std::size_t d = 0; d < dim; d += 4) {
      const std::int8_t* x = rows + r * dim + d;
      const std::uint8_t* y = panel.bytes + d * kPanelRows;
      for (std::size_t c = 0; c < kPanelRows; ++c) {
        for (std::size_t i = 0; i < 4; ++i) sums[c] += x[i] * y[4 * c + i];
      }
    }
    const QueryBound& query = queries[r];
    reach[r] = 0;
    for (std::size_t c = 0; c < kPanelRows; ++c) {
      const float approximate = query.scale * panel.scale[c] * static_cast<float>(sums[c] - query.offset);
      const float slack = query.norm * panel.error[c] + (query.residual * panel.residual[c] + query.error);
      upper[c] = approximate + slack;
      reach[r] |= std::uint32_t{upper[c] >= floors[r]} << c;
    }
  }
}

}  // namespace

const Tile kTileGeneric = {kTileRows, tile_i8_generic};

}  // namespace fr
