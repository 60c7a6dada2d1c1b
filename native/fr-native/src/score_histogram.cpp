#include "score_histogram.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <stdexcept>
#include <string>

#include "score_key.hpp"
#include "sort_scores.hpp"

namespace fr {
namespace {

constexpr std::size_t kHalf = std::size_t{1} << 16;
constexpr std::size_t kScoresPerPoll = std::size_t{1} << 18;

float next_above(float score) { return std::nextafter(score, std::numeric_limits<float>::infinity()); }
double next_above(double score) { return std::nextafter(score, std::numeric_limits<double>::infinity()); }

template <typename Score>
Score reject_all_above(Score largest) {
  if (std::isinf(largest) && largest > 0) {
    throw std::invalid_argument("an impostor score is +inf: no threshold rejects it");
  }
  return next_above(largest);
}

// Calls count(score, counts) for every score, with counts of its own for each thread, and adds them up.
template <typename Count>
void count_in_parts(Span<float> scores, std::size_t bins, const Run& run, std::uint64_t* total,
                    const Count& count) {
  // So many that their counts take no more memory than the scores.
  const std::size_t parts = std::max<std::size_t>(1, std::min(run.threads, scores.size / (2 * bins + 1)));
  std::vector<std::vector<std::uint64_t>> counts(parts);
  parallel_blocks(parts, run, [&](std::size_t part, const StopFlag& stop) {
    counts[part].assign(bins, 0);
    std::size_t i = scores.size * part / parts;
    const std::size_t end = scores.size * (part + 1) / parts;
    while (i < end && !stop) {
      const std::size_t poll = std::min(end, i + kScoresPerPoll);
      for (; i < poll; ++i) count(scores[i], counts[part].data());
    }
  });
  for (const auto& part : counts) {
    for (std::size_t bin = 0; bin < bins; ++bin) total[bin] += part[bin];
  }
}

float score_in(std::size_t bin, std::size_t low) {
  return score_of<float>(static_cast<std::uint32_t>(bin << 16 | low));
}

}  // namespace

std::uint64_t accepted_at_most(double far, std::uint64_t size) {
  if (!(far >= 0.0 && far <= 1.0)) {
    char text[32];
    std::snprintf(text, sizeof text, "%.9g", far);
    throw std::invalid_argument("target false accept rate is " + std::string(text) +
                                ", expected a number from 0 to 1");
  }
  if (size == 0) throw std::invalid_argument("no impostor scores: expected at least one");
  const double total = static_cast<double>(size);
  auto count = static_cast<std::uint64_t>(std::min(total, far * total));
  while (count > 0 && static_cast<double>(count) / total > far) --count;
  while (count < size && static_cast<double>(count + 1) / total <= far) ++count;
  return count;
}

ScoreHistogram::ScoreHistogram() : coarse_(kHalf, 0) {}

void ScoreHistogram::update(Span<float> scores, const Run& run) {
  reject_nan(scores, "score", run);
  if (!refined_) {
    count_in_parts(scores, kHalf, run, coarse_.data(),
                   [](float score, std::uint64_t* counts) { ++counts[key_of(score) >> 16]; });
    size_ += scores.size;
    return;
  }
  constexpr std::uint16_t kNoSlot = 0xffff;
  std::vector<std::uint16_t> slot_of(kHalf, kNoSlot);
  std::uint16_t slots = 0;
  for (const auto& fine : fine_) slot_of[fine.first] = slots++;
  Bins counts(slots * kHalf, 0);
  count_in_parts(scores, counts.size(), run, counts.data(), [&](float score, std::uint64_t* in_slot) {
    const std::uint32_t key = key_of(score);
    const std::uint16_t slot = slot_of[key >> 16];
    if (slot != kNoSlot) ++in_slot[slot * kHalf + (key & (kHalf - 1))];
  });
  for (auto& fine : fine_) {
    const std::uint64_t* added = counts.data() + slot_of[fine.first] * kHalf;
    for (std::size_t low = 0; low < kHalf; ++low) fine.second[low] += added[low];
  }
}

void ScoreHistogram::merge(const ScoreHistogram& other) {
  if (refined_ != other.refined_) {
    throw std::invalid_argument("cannot merge a refined histogram with one that is not");
  }
  if (!refined_) {
    for (std::size_t bin = 0; bin < kHalf; ++bin) coarse_[bin] += other.coarse_[bin];
    size_ += other.size_;
    return;
  }
  const auto same_bin = [](const auto& a, const auto& b) { return a.first == b.first; };
  if (coarse_ != other.coarse_ ||
      !std::equal(fine_.begin(), fine_.end(), other.fine_.begin(), other.fine_.end(), same_bin)) {
    throw std::invalid_argument("cannot merge histograms refined from different first stages");
  }
  for (auto& fine : fine_) {
    const Bins& added = other.fine_.at(fine.first);
    for (std::size_t low = 0; low < kHalf; ++low) fine.second[low] += added[low];
  }
}

ScoreHistogram ScoreHistogram::emptied() const {
  ScoreHistogram empty = *this;
  if (refined_) {
    for (auto& fine : empty.fine_) std::fill(fine.second.begin(), fine.second.end(), 0);
  } else {
    std::fill(empty.coarse_.begin(), empty.coarse_.end(), 0);
    empty.size_ = 0;
  }
  return empty;
}

ScoreHistogram ScoreHistogram::refine(Span<double> fars) const {
  ScoreHistogram fine = *this;
  fine.refined_ = true;
  fine.fine_.clear();
  for (const double far : fars) {
    const std::uint64_t rank = accepted_at_most(far, size_);
    const std::size_t bin = rank < size_ ? locate(rank).bin : next_bin(kHalf);
    fine.fine_.emplace(bin, Bins(kHalf, 0));
    if (rank < size_ && next_bin(bin) < kHalf) fine.fine_.emplace(next_bin(bin), Bins(kHalf, 0));
  }
  return fine;
}

std::vector<float> ScoreHistogram::far_thresholds(Span<double> fars) const {
  if (!refined_) throw std::logic_error("call refine(fars), then update() with the same scores");
  std::vector<float> thresholds;
  thresholds.reserve(fars.size);
  for (const double far : fars) thresholds.push_back(threshold(far));
  return thresholds;
}

// The bin of the score of this rank, 0 being the largest, and its rank there.
ScoreHistogram::Position ScoreHistogram::locate(std::uint64_t rank) const {
  std::size_t bin = kHalf;
  std::uint64_t above = 0;
  while (above + coarse_[--bin] <= rank) above += coarse_[bin];
  return {bin, rank - above};
}

// The next bin above that holds a score, kHalf if there is none; of kHalf, the lowest bin that holds one.
std::size_t ScoreHistogram::next_bin(std::size_t bin) const {
  std::size_t next = bin == kHalf ? 0 : bin + 1;
  while (next < kHalf && coarse_[next] == 0) ++next;
  return next;
}

float ScoreHistogram::threshold(double far) const {
  const std::uint64_t rank = accepted_at_most(far, size_);
  if (rank >= size_) return smallest_in(next_bin(kHalf));
  const Position rejected = locate(rank);
  const Bins& counts = fine_bin(rejected.bin);
  std::size_t low = kHalf;
  std::size_t accepted = kHalf;
  for (std::uint64_t above = 0; above <= rejected.in_bin;) {
    if (counts[--low] == 0) continue;
    above += counts[low];
    if (above <= rejected.in_bin) accepted = low;
  }
  if (accepted < kHalf) return score_in(rejected.bin, accepted);
  const std::size_t above = next_bin(rejected.bin);
  return above < kHalf ? smallest_in(above) : reject_all_above(score_in(rejected.bin, low));
}

float ScoreHistogram::smallest_in(std::size_t bin) const {
  const Bins& counts = fine_bin(bin);
  const auto first = std::find_if(counts.begin(), counts.end(), [](auto count) { return count > 0; });
  return score_in(bin, static_cast<std::size_t>(first - counts.begin()));
}

const ScoreHistogram::Bins& ScoreHistogram::fine_bin(std::size_t bin) const {
  const auto fine = fine_.find(bin);
  if (fine == fine_.end()) throw std::logic_error("this target was not among those of refine(fars)");
  std::uint64_t count = 0;
  for (const std::uint64_t c : fine->second) count += c;
  if (count != coarse_[bin]) {
    throw std::logic_error("the second stage has not seen exactly the scores of the first");
  }
  return fine->second;
}

namespace {

template <typename Score>
std::vector<Score> thresholds_by_sort(Span<Score> scores, Span<double> fars, const Run& run) {
  std::vector<Score> sorted(scores.size);
  sort_scores(scores, sorted.data(), run);
  std::vector<Score> thresholds;
  for (const double far : fars) {
    const std::uint64_t accepted = accepted_at_most(far, scores.size);
    if (accepted >= scores.size) {
      thresholds.push_back(sorted.front());
      continue;
    }
    const Score rejected = sorted[sorted.size() - 1 - accepted];
    const auto above = std::upper_bound(sorted.begin(), sorted.end(), rejected);
    thresholds.push_back(above != sorted.end() ? *above : reject_all_above(sorted.back()));
  }
  return thresholds;
}

}  // namespace

std::vector<float> far_thresholds(Span<float> scores, Span<double> fars, const Run& run) {
  // Two bins a target, of 8 bytes and once more while they are filled, take more than a sorted copy.
  if (fars.size * kHalf * 8 > scores.size) return thresholds_by_sort(scores, fars, run);
  ScoreHistogram histogram;
  histogram.update(scores, run);
  ScoreHistogram refined = histogram.refine(fars);
  refined.update(scores, run);
  return refined.far_thresholds(fars);
}

std::vector<double> far_thresholds(Span<double> scores, Span<double> fars, const Run& run) {
  return thresholds_by_sort(scores, fars, run);
}

}  // namespace fr
