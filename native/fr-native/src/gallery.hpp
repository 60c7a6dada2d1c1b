// Exact cosine search: which gallery rows are nearest to each query.
//
// Scores are float64 dot products of float32 unit rows, rounded once to float32. Order: score descending,
// then index ascending. A float32 tile bounds every score within tile_error(dim); only rows that the bound
// cannot rule out are scored exactly, so the answer does not depend on the tile's rounding.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "kernels/kernels.hpp"
#include "parallel.hpp"
#include "unit_rows.hpp"

namespace fr {

struct Neighbour {
  float score;
  std::int64_t index;
};

// The order of results: a comes before b.
inline bool precedes(const Neighbour& a, const Neighbour& b) {
  return a.score > b.score || (a.score == b.score && a.index < b.index);
}

// The k best neighbours seen so far.
class TopK {
 public:
  explicit TopK(std::size_t k) : k_(k) { heap_.reserve(k); }
  // A score below this cannot enter; -inf until k are held.
  float floor() const;
  void offer(const Neighbour& candidate);
  // Best first; the object is empty afterwards.
  void drain(float* scores, std::int64_t* indices);

 private:
  std::size_t k_;
  std::vector<Neighbour> heap_;  // its front is the worst
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

  // Hands every panel of approximate scores of queries [begin, end) to visit(query, first position, scores,
  // count), panels in ascending order. |approximate - exact| <= error().
  using Visit = std::function<void(std::size_t, std::size_t, const float*, std::size_t)>;
  void scan(const UnitRows& queries, std::size_t begin, std::size_t end, const StopFlag& stop,
            const Visit& visit) const;
  float error() const { return error_; }

 private:
  void pack(const Run& run);

  const Kernels& kernel_;
  UnitRows rows_;
  std::vector<std::size_t> order_;
  std::vector<float> panels_;  // [panel][dim][kPanelRows]
  float error_;
};

// Whether any of `count` scores reaches `floor`: the common case, no, costs a few vector comparisons.
inline bool any_at_least(const float* scores, std::size_t count, float floor) {
  int found = 0;
  for (std::size_t c = 0; c < count; ++c) found |= scores[c] >= floor;
  return found != 0;
}

// Queries handled together by one thread: enough to reuse a panel, few enough to stay in its cache.
constexpr std::size_t kQueryBlock = 96;

}  // namespace fr
