// A block of queries against panels: which scores may reach which floors.
#pragma once

#include <limits>
#include <vector>

#include "quantise.hpp"

namespace fr {

// Bounds of one query's scores against the rows of one panel.
struct PanelBounds {
  std::size_t first;    // position of the panel's first row
  std::uint32_t reach;  // bit c: row c is there and may score at least the query's floor
  const float* upper;   // by row
  const QueryBound* query;
  const PanelRows* rows;

  // 5 more roundings, within the room that `error` has left: both bounds cannot need all of it.
  float lower(std::size_t row) const {
    return upper[row] -
           2 * (query->norm * rows->error[row] + query->residual * rows->residual[row] + query->error);
  }
};

// Calls visit(q, bounds) for the panels [begin, end) in order where a row may reach query q's floor; it
// returns the query's new floor, which never falls. `floors` holds the first ones, one a query.
template <typename Visit>
void scan(const Tile& tile, const QueryBlock& queries, const QuantisedPanels& panels, std::size_t begin,
          std::size_t end, std::vector<float> floors, const StopFlag& stop, const Visit& visit) {
  floors.resize(queries.bounds.size(), std::numeric_limits<float>::infinity());  // rows that fill a tile
  alignas(64) float upper[kMaxTileRows * kPanelRows];
  std::uint32_t reach[kMaxTileRows];
  for (std::size_t p = begin; p < end && !stop; ++p) {
    const PanelRows panel = panels[p];
    for (std::size_t q = 0; q < floors.size(); q += tile.rows) {
      tile.bound(queries.quantised.data() + q * queries.dim, panel, queries.dim, queries.bounds.data() + q,
                 floors.data() + q, upper, reach);
      for (std::size_t r = 0; r < tile.rows; ++r) {
        const std::uint32_t reaching = reach[r] & panels.present(p);
        if (reaching == 0) continue;
        const PanelBounds bounds{p * kPanelRows, reaching, upper + r * kPanelRows, &queries.bounds[q + r],
                                 &panel};
        floors[q + r] = visit(q + r, bounds);
      }
    }
  }
}

}  // namespace fr
