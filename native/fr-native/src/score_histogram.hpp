// Exact thresholds at target false accept rates (FAR) without a sort.
//
// Rule ("conservative"): with N scores, the threshold at FAR f is the smallest score value v with
// count(score >= v) / N <= f in float64 division, ties counted whole; if there is none, the next float
// above the largest score. It accepts iff score >= threshold, so FAR(threshold) <= f always.
//
// Method: a float32 score has a 32-bit order-preserving key. The first pass counts the upper 16 bits; only
// the few upper halves in which a threshold can lie are counted by their lower 16 bits in the second.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "parallel.hpp"
#include "span.hpp"

namespace fr {

class ScoreHistogram {
 public:
  ScoreHistogram();

  // Counts scores: their upper halves, or in a refined histogram the lower halves of the chosen bins.
  void update(Span<float> scores, const Run& run);
  // Adds the counts of a histogram of other scores, in the same stage.
  void merge(const ScoreHistogram& other);
  // One of the same stage that has counted nothing yet.
  ScoreHistogram emptied() const;
  // The second stage for these targets: needs a second update with the same scores.
  ScoreHistogram refine(Span<double> fars) const;
  // One threshold per target. Throws std::logic_error before the second stage is complete.
  std::vector<float> far_thresholds(Span<double> fars) const;

  std::uint64_t size() const { return size_; }
  bool refined() const { return refined_; }

 private:
  using Bins = std::vector<std::uint64_t>;

  struct Position {
    std::size_t bin;       // upper half that holds the first score that must be rejected
    std::uint64_t in_bin;  // rank of that score within the bin, from the top
  };
  Position locate(std::uint64_t rank) const;
  std::size_t next_bin(std::size_t bin) const;
  float threshold(double far) const;
  float smallest_in(std::size_t bin) const;
  const Bins& fine_bin(std::size_t bin) const;

  std::uint64_t size_ = 0;
  bool refined_ = false;
  Bins coarse_;
  std::map<std::size_t, Bins> fine_;
};

// Largest count c with c / size <= far in float64 division. Throws on a target outside [0, 1].
std::uint64_t accepted_at_most(double far, std::uint64_t size);

// Thresholds of all scores at once. Where the bins of all targets would take more memory than a sorted copy,
// and for float64, scores are sorted instead.
std::vector<float> far_thresholds(Span<float> scores, Span<double> fars, const Run& run);
std::vector<double> far_thresholds(Span<double> scores, Span<double> fars, const Run& run);

}  // namespace fr
