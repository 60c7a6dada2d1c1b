// Rows as int8, and how far their dot products can be from the truth.
//
// A unit row x becomes x^ = scale * q with whole numbers q in [-127, 127], |x - x^| = error. Then
//   |x . y - x^ . y^| <= |x - x^| |y| + |x^| |y - y^|
// (Cauchy-Schwarz twice), and x^ . y^ is an exact integer times two scales. Gallery rows are stored as q +
// 128, so the integer kernel's sum is the wanted one plus 128 times the sum of the query's q: its `offset`.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/kernels.hpp"
#include "parallel.hpp"
#include "unit_rows.hpp"

namespace fr {

// Larger rows would overflow the int32 sums.
constexpr std::size_t kLargestInt8Dim = 65536;

// The gallery side: panels of quantised rows and, by row, scale and error.
struct QuantisedPanels {
  QuantisedPanels(const UnitRows& rows, const Run& run);

  std::vector<std::uint8_t> panels;  // [panel][dim / 4][kPanelRows][4]
  std::vector<float> scale;          // by row, padded to whole panels
  std::vector<float> error;
};

// The query side: a block of rows, padded with zero rows to whole tiles.
struct QuantisedQueries {
  QuantisedQueries(const UnitRows& queries, std::size_t begin, std::size_t end, std::size_t padded_rows);

  std::vector<std::int8_t> rows;  // [padded_rows][dim]
  std::vector<QueryBound> bounds;
};

}  // namespace fr
