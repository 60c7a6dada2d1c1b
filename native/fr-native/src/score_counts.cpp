#include "score_counts.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <stdexcept>
#include <string>

#include "sort_scores.hpp"

namespace fr {
namespace {

constexpr std::size_t kBlock = std::size_t{1} << 16;
constexpr std::size_t kFewThresholds = 24;  // compared with every score faster than searched for each

std::vector<std::size_t> ascending_order(Span<double> thresholds) {
  for (std::size_t t = 0; t < thresholds.size; ++t) {
    if (std::isnan(thresholds[t])) {
      throw std::invalid_argument("threshold " + std::to_string(t) + " is NaN, expected a number");
    }
  }
  std::vector<std::size_t> order(thresholds.size);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(),
            [&](std::size_t a, std::size_t b) { return thresholds[a] < thresholds[b]; });
  return order;
}

// The smallest score that is >= the threshold.
template <typename Score>
Score rounded_up(double threshold) {
  const auto rounded = static_cast<Score>(threshold);
  return double{rounded} < threshold ? std::nextafter(rounded, std::numeric_limits<Score>::infinity())
                                     : rounded;
}

// passed[n]: of these scores, those that reach exactly n of the ascending thresholds.
template <typename Score>
void count_passed(Span<Score> scores, const std::vector<Score>& ascending,
                  std::vector<std::int64_t>& passed) {
  if (ascending.size() > kFewThresholds) {
    for (const Score score : scores) {
      const auto above = std::upper_bound(ascending.begin(), ascending.end(), score);
      ++passed[static_cast<std::size_t>(above - ascending.begin())];
    }
    return;
  }
  auto reaching = static_cast<std::int64_t>(scores.size);
  for (std::size_t t = 0; t < ascending.size(); ++t) {
    std::int32_t reaching_next = 0;
    for (const Score score : scores) reaching_next += score >= ascending[t];
    passed[t] += reaching - reaching_next;
    reaching = reaching_next;
  }
  passed[ascending.size()] += reaching;
}

}  // namespace

template <typename Score>
std::vector<std::int64_t> accepted_counts(Span<Score> scores, Span<double> thresholds, const Run& run) {
  reject_nan(scores, "score", run);
  const std::vector<std::size_t> order = ascending_order(thresholds);
  std::vector<Score> ascending;
  for (const std::size_t t : order) ascending.push_back(rounded_up<Score>(thresholds[t]));

  const std::size_t blocks = (scores.size + kBlock - 1) / kBlock;
  std::vector<std::atomic<std::int64_t>> passed(thresholds.size + 1);
  for (auto& count : passed) count = 0;
  parallel_blocks(blocks, run, [&](std::size_t block, const StopFlag&) {
    std::vector<std::int64_t> in_block(thresholds.size + 1, 0);
    const std::size_t begin = block * kBlock;
    const std::size_t count = std::min(kBlock, scores.size - begin);
    count_passed(Span<Score>{scores.data + begin, count}, ascending, in_block);
    for (std::size_t n = 0; n < in_block.size(); ++n) passed[n] += in_block[n];
  });

  std::vector<std::int64_t> accepted(thresholds.size);
  std::int64_t count = 0;
  for (std::size_t n = thresholds.size; n-- > 0;) {
    count += passed[n + 1];
    accepted[order[n]] = count;
  }
  return accepted;
}

template <typename Score>
std::vector<std::int64_t> identified_counts(Span<Score> mate_scores, Span<std::int64_t> mate_ranks,
                                            Span<double> thresholds, Span<std::int64_t> ranks,
                                            const Run& run) {
  if (mate_scores.size != mate_ranks.size) {
    throw std::invalid_argument("mate_scores has " + std::to_string(mate_scores.size) +
                                " entries and mate_ranks " + std::to_string(mate_ranks.size) +
                                ", expected as many");
  }
  reject_nan(mate_scores, "mate score", run);
  ascending_order(thresholds);
  const auto bad =
      std::find_if(mate_ranks.begin(), mate_ranks.end(), [](std::int64_t rank) { return rank < 0; });
  if (bad != mate_ranks.end()) {
    throw std::invalid_argument("mate rank " + std::to_string(bad - mate_ranks.begin()) + " is " +
                                std::to_string(*bad) + ", expected 1 or more, or 0 for a mate not found");
  }
  std::vector<std::int64_t> counts;
  for (const std::int64_t rank : ranks) {
    if (rank < 1) throw std::invalid_argument("rank " + std::to_string(rank) + ", expected 1 or more");
    std::vector<Score> within;
    for (std::size_t i = 0; i < mate_scores.size; ++i) {
      if (mate_ranks[i] >= 1 && mate_ranks[i] <= rank) within.push_back(mate_scores[i]);
    }
    const auto accepted = accepted_counts(Span<Score>{within.data(), within.size()}, thresholds, run);
    counts.insert(counts.end(), accepted.begin(), accepted.end());
  }
  return counts;
}

template std::vector<std::int64_t> accepted_counts(Span<float>, Span<double>, const Run&);
template std::vector<std::int64_t> accepted_counts(Span<double>, Span<double>, const Run&);
template std::vector<std::int64_t> identified_counts(Span<float>, Span<std::int64_t>, Span<double>,
                                                     Span<std::int64_t>, const Run&);
template std::vector<std::int64_t> identified_counts(Span<double>, Span<std::int64_t>, Span<double>,
                                                     Span<std::int64_t>, const Run&);

}  // namespace fr
