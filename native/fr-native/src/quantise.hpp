// Rows as int8, and how far their dot products can be from the truth.
//
// A unit row x becomes x^ = scale * q with whole numbers q in [-127, 127], |x - x^| = error. Then
//   |x . y - x^ . y^| <= |x - x^| |y| + |x^| |y - y^|
// (Cauchy-Schwarz twice), and x^ . y^ is an exact integer times two scales. Gallery rows are stored as q +
// 128, so a sum over stored bytes is the wanted one plus 128 times the sum of the query's q: its `offset`.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/kernels.hpp"
#include "normed_rows.hpp"
#include "parallel.hpp"

namespace fr {

// Longer rows would overflow the int32 sums: 65,536 * 255 * 127 < 2^31.
constexpr std::size_t kLargestDim = 65536;

constexpr std::int64_t kAbsent = -1;

// The gallery side. Position p holds row order[p], or nothing where that is kAbsent.
class QuantisedPanels {
 public:
  // `order` is padded with kAbsent to whole panels.
  QuantisedPanels(const NormedRows& rows, std::vector<std::int64_t> order, const Run& run);

  std::size_t count() const { return present_.size(); }
  PanelRows operator[](std::size_t panel) const;
  // Bit c: position panel * kPanelRows + c holds a row.
  std::uint32_t present(std::size_t panel) const { return present_[panel]; }
  std::int64_t row_at(std::size_t position) const { return order_[position]; }
  const std::vector<std::int64_t>& order() const { return order_; }

 private:
  std::size_t panel_bytes_;
  std::vector<std::int64_t> order_;
  std::vector<std::uint32_t> present_;
  std::vector<std::uint8_t> bytes_;
  std::vector<float> scale_;
  std::vector<float> error_;
};

// Queries handled together by one thread: enough to reuse a panel, few enough to stay in its cache.
constexpr std::size_t kQueryBlock = 96;

// The query side: a block of rows as unit rows and as int8. Rows that fill the last tile are zero.
struct QueryBlock {
  // Rows indices[0..count) of `rows`; negative ones stay zero.
  QueryBlock(const NormedRows& rows, const std::int64_t* indices, std::size_t count, std::size_t tile_rows);

  const float* unit(std::size_t q) const { return units.data() + q * padded_dim; }

  std::size_t count;
  std::size_t padded_dim;
  std::vector<float> units;            // [count][padded_dim]
  std::vector<std::int8_t> quantised;  // [whole tiles][padded_dim]
  std::vector<QueryBound> bounds;
};

}  // namespace fr
