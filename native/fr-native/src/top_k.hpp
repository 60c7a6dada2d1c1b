// The best rows of a query: exactly scored ones, and candidates of which only bounds are known.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "bits.hpp"
#include "scan.hpp"

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
  std::vector<Neighbour> drain();

 private:
  std::size_t k_;
  std::vector<Neighbour> heap_;  // its front is the worst
};

// The k best rows, scored as late as possible: rows collect by their bounds alone. The k-th largest lower
// bound is a floor: rows whose upper bound is below it are out, most of them before they are ever scored.
class Candidates {
 public:
  // Rows below `floor` are known not to be among the best.
  Candidates(std::size_t k, float floor) : k_(k), floor_(floor), top_(k) {}

  float floor() const { return floor_; }

  // Takes rows of a panel, a bit each; neighbour(position) scores one.
  template <typename Score>
  void add(const PanelBounds& panel, std::uint32_t rows, const Score& neighbour) {
    for_each_bit(rows,
                 [&](std::size_t c) { rows_.push_back({panel.lower(c), panel.upper[c], panel.first + c}); });
    if (rows_.size() < next_drop_) return;
    drop();
    if (rows_.size() > kMostUnscored + 8 * k_) score_all(neighbour);
    next_drop_ = std::max(kFirstDrop, 2 * rows_.size() + 4 * k_);
  }

  // Best first; the object is empty afterwards.
  template <typename Score>
  std::vector<Neighbour> resolve(const Score& neighbour) {
    drop();
    score_all(neighbour);
    return top_.drain();
  }

 private:
  struct Candidate {
    float lower;
    float upper;
    std::size_t position;
  };
  static constexpr std::size_t kFirstDrop = 64;
  static constexpr std::size_t kMostUnscored = 1024;

  void drop();
  template <typename Score>
  void score_all(const Score& neighbour) {
    std::sort(rows_.begin(), rows_.end(),
              [](const Candidate& a, const Candidate& b) { return a.upper > b.upper; });
    for (const auto& row : rows_) {
      if (row.upper < top_.floor()) break;
      top_.offer(neighbour(row.position));
    }
    rows_.clear();
    floor_ = std::max(floor_, top_.floor());
  }

  std::size_t k_;
  float floor_;
  TopK top_;
  std::size_t next_drop_ = kFirstDrop;
  std::vector<Candidate> rows_;
};

}  // namespace fr
