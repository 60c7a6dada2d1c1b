// The best rows of a query: exactly scored ones, and candidates of which only bounds are known.
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

// Rows that may be among the k best, collected by their bounds alone. The k-th largest lower bound is a
// floor: rows whose upper bound is below it are out. Scoring waits until all rows are seen and most are out
// again.
class Candidates {
 public:
  explicit Candidates(std::size_t k) : k_(k) {}

  struct Candidate {
    float upper;
    std::size_t position;
  };

  float floor() const;
  void add(float lower, float upper, std::size_t position);
  // By falling upper bound.
  const std::vector<Candidate>& sorted();

 private:
  void drop_below_floor();

  std::size_t k_;
  std::size_t next_drop_ = 1024;
  std::vector<float> lower_;  // heap of the k largest lower bounds, its front the smallest
  std::vector<Candidate> rows_;
};

}  // namespace fr
