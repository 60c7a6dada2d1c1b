// The best rows of a query among those that are scored.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace fr {

struct Neighbour {
  float score;
  std::int64_t index;
};

// The order of results: a comes before b.
struct Precedes {
  bool operator()(const Neighbour& a, const Neighbour& b) const {
    return a.score > b.score || (a.score == b.score && a.index < b.index);
  }
};

// The k best neighbours seen so far.
class TopK {
 public:
  explicit TopK(std::size_t k) : k_(k) { best_.reserve(k); }
  // A score below this cannot enter; -inf until k are held.
  float floor() const;
  void offer(const Neighbour& candidate);
  // Best first; the object is empty afterwards.
  std::vector<Neighbour> drain();

 private:
  std::size_t k_;
  std::vector<Neighbour> best_;  // when there are k, a heap with the worst in front
};

}  // namespace fr
