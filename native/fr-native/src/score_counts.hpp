// Counts of scores at thresholds. A score is accepted iff score >= threshold.
#pragma once

#include <cstdint>
#include <vector>

#include "parallel.hpp"
#include "span.hpp"

namespace fr {

// For each threshold, in the order given, the number of scores that are >= it.
template <typename Score>
std::vector<std::int64_t> accepted_counts(Span<Score> scores, Span<double> thresholds, const Run& run);

// For each rank r and threshold t (r outer), the number of mates with mate_rank in [1, r] and score >= t.
template <typename Score>
std::vector<std::int64_t> identified_counts(Span<Score> mate_scores, Span<std::int64_t> mate_ranks,
                                            Span<double> thresholds, Span<std::int64_t> ranks,
                                            const Run& run);

}  // namespace fr
