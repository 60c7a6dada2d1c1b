// Exact cosine search: which gallery rows are nearest to each query.
//
// Scores are float64 dot products of float32 unit rows, rounded once to float32. Order: score descending,
// then index ascending. Tiles of int8 or float32 dot products bound every score rigorously; only rows that
// the bound cannot rule out are scored exactly, so the answer does not depend on the tile's rounding.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "kernels/kernels.hpp"
#include "parallel.hpp"
#include "quantise.hpp"
#include "top_k.hpp"
#include "unit_rows.hpp"

namespace fr {

// Bounds of one query's scores against the rows of one panel.
struct PanelBounds {
  std::size_t first;    // position of the panel's first row
  std::uint32_t reach;  // bit c: row c may score at least the query's floor
  const float* upper;   // by row
  const QueryBound* query;
  const float* row_error;  // by row; null where the error does not depend on it

  float lower(std::size_t row) const {
    const float error = query->error + (row_error == nullptr ? 0.0f : query->norm * row_error[row]);
    return upper[row] - 2 * error;
  }
};

class Gallery {
 public:
  // `order` as for UnitRows: position p of the gallery holds row order[p].
  Gallery(const Rows& rows, const char* what, const Run& run, std::vector<std::size_t> order = {});

  std::size_t size() const { return rows_.size(); }
  std::size_t dim() const { return rows_.dim(); }
  float score(const float* query, std::size_t position) const;
  std::int64_t row_at(std::size_t position) const;

  // scores, indices: [queries.size(), k], row-major. Needs k <= size().
  void search(const UnitRows& queries, std::size_t k, float* scores, std::int64_t* indices,
              const Run& run) const;

  // For queries [begin, end) and all panels in ascending order, hands over the rows whose score may reach the
  // query's floor. visit(query, panel) returns the query's new floor, which never falls; -inf at the start.
  using Visit = std::function<float(std::size_t, const PanelBounds&)>;
  void scan(const UnitRows& queries, std::size_t begin, std::size_t end, const StopFlag& stop,
            const Visit& visit) const;

 private:
  void pack_float32(const Run& run);
  void scan_float32(const UnitRows& queries, std::size_t begin, std::size_t end, const StopFlag& stop,
                    const Visit& visit) const;
  void scan_int8(const UnitRows& queries, std::size_t begin, std::size_t end, const StopFlag& stop,
                 const Visit& visit) const;
  template <typename Tile, typename BoundsOf>
  void scan_tiles(std::size_t begin, std::size_t end, const StopFlag& stop, const Tile& tile,
                  const BoundsOf& bounds_of, const float* row_error, const Visit& visit) const;
  std::size_t padded_queries(std::size_t count) const;

  const Kernels& kernel_;
  UnitRows rows_;
  std::vector<std::size_t> order_;
  std::vector<float> panels_;                 // [panel][dim][kPanelRows], where tiles are float32
  std::optional<QuantisedPanels> quantised_;  // where tiles are int8
};

// Queries handled together by one thread: enough to reuse a panel, few enough to stay in its cache.
constexpr std::size_t kQueryBlock = 96;

}  // namespace fr
