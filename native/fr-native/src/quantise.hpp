// Rows as int8, and how far their dot products can be from the truth.
//
// A row x of coordinates (subspace.hpp), |x| <= 1, becomes x^ = scale * q with whole numbers q in [-127,
// 127], |x - x^| = error. Then
//   |x . y - x^ . y^| <= |x - x^| |y| + |x^| |y - y^|
// (Cauchy-Schwarz twice), and x^ . y^ is an exact integer times two scales. Gallery rows are stored as q +
// 128, so a sum over stored bytes is the wanted one plus 128 times the sum of the query's q: its `offset`.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/kernels.hpp"
#include "normed_rows.hpp"
#include "parallel.hpp"
#include "subspace.hpp"

namespace fr {

// Longer rows would overflow the int32 sums: 65,536 * 255 * 127 < 2^31.
constexpr std::size_t kLargestDim = 65536;

constexpr std::int64_t kAbsent = -1;

// What bounds need to know of a row besides its whole numbers.
struct QuantisedRow {
  float scale;
  float norm;      // |x^|
  float error;     // |x - x^|
  float residual;  // outside the subspace
  std::int32_t sum;
};

// Rows as unit rows and, by their coordinates in a subspace, as int8.
struct QuantisedRows {
  // Rows indices[0..count) of `rows`; all is zero where that is kAbsent.
  QuantisedRows(const NormedRows& rows, const std::int64_t* indices, std::size_t count,
                const Subspace& subspace);

  std::size_t padded_dim;
  std::size_t dim;                     // of the subspace
  std::vector<float> units;            // [count][padded_dim]
  std::vector<std::int8_t> quantised;  // [count][dim]
  std::vector<QuantisedRow> numbers;
};

// The gallery side. Position p holds row order[p], or nothing where that is kAbsent.
class QuantisedPanels {
 public:
  // `order` is padded with kAbsent to whole panels.
  QuantisedPanels(const NormedRows& rows, std::vector<std::int64_t> order, Subspace subspace, const Run& run);

  const Subspace& subspace() const { return subspace_; }
  std::size_t count() const { return present_.size(); }
  PanelRows operator[](std::size_t panel) const;
  // Bit c: position panel * kPanelRows + c holds a row.
  std::uint32_t present(std::size_t panel) const { return present_[panel]; }
  std::int64_t row_at(std::size_t position) const { return order_[position]; }
  const std::vector<std::int64_t>& order() const { return order_; }

 private:
  Subspace subspace_;
  std::size_t panel_bytes_;
  std::vector<std::int64_t> order_;
  std::vector<std::uint32_t> present_;
  std::vector<std::uint8_t> bytes_;
  std::vector<float> scale_;
  std::vector<float> error_;
  std::vector<float> residual_;
};

// Queries handled together by one thread: enough to reuse a panel, few enough to stay in its cache.
constexpr std::size_t kQueryBlock = 96;

// The query side: a block of rows and what they make of sums. Zero rows fill the last tile.
struct QueryBlock : QuantisedRows {
  QueryBlock(const NormedRows& rows, const std::int64_t* indices, std::size_t count, const Subspace& subspace,
             std::size_t tile_rows);

  const float* unit(std::size_t q) const { return units.data() + q * padded_dim; }

  std::size_t count;
  std::vector<QueryBound> bounds;
};

}  // namespace fr
