// Exact cosine search: which gallery rows are nearest to each query.
//
// Order: score descending, then index ascending. Tiles of int8 dot products bound every score rigorously;
// only rows that the bound cannot rule out are scored, so the answer does not depend on the tile's rounding.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/kernels.hpp"
#include "normed_rows.hpp"
#include "parallel.hpp"
#include "quantise.hpp"
#include "top_k.hpp"

namespace fr {

class Gallery {
 public:
  // Position p of the gallery holds row order[p]; all rows in turn by default. Keeps no copy of the rows.
  // `axes`, if there are any, span a subspace that holds most of the rows nearly whole.
  Gallery(const Rows& rows, const char* what, const Run& run, const Rows& axes = {},
          std::vector<std::int64_t> order = {});

  std::size_t size() const { return rows_.size(); }
  std::size_t dim() const { return rows_.dim(); }
  const Kernels& kernel() const { return kernel_; }
  const QuantisedPanels& panels() const { return panels_; }
  Neighbour neighbour(const float* unit_query, std::size_t position) const {
    const std::int64_t row = panels_.row_at(position);
    return {rows_.score(unit_query, static_cast<std::size_t>(row)), row};
  }

  void prefetch(std::size_t position) const {
    rows_.prefetch(static_cast<std::size_t>(panels_.row_at(position)));
  }
  NormedRows::Approximation approximate(const float* unit_query, std::size_t position) const {
    return rows_.approximate(unit_query, static_cast<std::size_t>(panels_.row_at(position)));
  }

  // scores, indices: [queries.count, k], row-major. Needs k <= size().
  void search(const Rows& queries, std::size_t k, float* scores, std::int64_t* indices, const Run& run) const;

 private:
  Kernels kernel_;
  NormedRows rows_;
  QuantisedPanels panels_;
};

}  // namespace fr
