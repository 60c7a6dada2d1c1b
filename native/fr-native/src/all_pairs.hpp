// Counts over all pairs of rows near and above given scores, without a list of the pairs.
//
// For each bracket [low, high] of scores, genuine pairs (equal ids) and impostor pairs, and each pair of
// groups: how many pairs score above `high`, and how many have each score within. From these follow the exact
// threshold at a target false accept rate, if the bracket holds it, and the exact rates there. Int8 bounds
// decide almost every pair; float32 dot products most of the rest; float64 what remains.
#pragma once

#include <cstdint>
#include <vector>

#include "normed_rows.hpp"
#include "parallel.hpp"
#include "quantise.hpp"
#include "span.hpp"

namespace fr {

// Rows of a strip: each panel's float32 rows, of which most strips need some, are read once a strip.
constexpr std::size_t kStripRows = 192;

// Counts are kept by pairs of groups, for each strip in work.
constexpr std::size_t kMostGroups = 1024;

struct Bracket {
  float low;
  float high;
};

// A cell is a class (genuine 0, impostor 1) and an unordered pair of groups a <= b: (class * groups + a) *
// groups + b.
struct PairCounts {
  std::vector<std::int64_t> above;  // [brackets][cells]
  // Ascending: (bracket * cells + cell) << 32 | order-preserving score key.
  std::vector<std::uint64_t> scores;
  std::vector<std::int64_t> counts;  // of each of these
};

class PairCounter {
 public:
  // `groups` holds a number below n_groups, at most kMostGroups, for each row. Keeps no copy of the rows.
  // `axes` as those of a Gallery.
  PairCounter(const Rows& rows, Span<std::int64_t> ids, Span<std::int64_t> groups, std::size_t n_groups,
              const Rows& axes, const Run& run);

  // All pairs are cut into strips; a strip's pairs have their first row in a block of kStripRows positions.
  std::size_t strips() const { return (panels_.order().size() + kStripRows - 1) / kStripRows; }
  std::size_t cells() const { return 2 * n_groups_ * n_groups_; }

  // Counts of the pairs of these strips. Brackets, at least one, ascend and share no score.
  PairCounts count(Span<std::int64_t> strips_wanted, const std::vector<Bracket>& brackets,
                   const Run& run) const;

 private:
  struct Range {
    std::int64_t begin;
    std::int64_t end;
  };
  class Strip;

  std::uint32_t same_subject(std::size_t position, std::size_t first) const;

  Kernels kernel_;
  NormedRows rows_;
  QuantisedPanels panels_;
  std::size_t n_groups_;
  std::vector<std::int64_t> panel_group_;      // by panel
  std::vector<std::int64_t> subject_;          // by position: index into ranges_of_
  std::vector<std::vector<Range>> ranges_of_;  // by subject: its positions, one range a group
};

}  // namespace fr
