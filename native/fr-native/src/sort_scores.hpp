// Ascending sort of scores: radix sort of their order-preserving keys, by the highest digit into buckets that
// threads then sort each by itself.
#pragma once

#include <vector>

#include "parallel.hpp"
#include "span.hpp"

namespace fr {

// Writes all scores to `sorted`: memory for as many that holds nothing yet, aligned for them. Throws
// std::invalid_argument naming the first NaN. -0 comes out as +0.
template <typename Score>
void sort_scores(Span<Score> scores, void* sorted, const Run& run);

// Throws std::invalid_argument, `what` and the index in it, when a score is NaN.
template <typename Score>
void reject_nan(Span<Score> scores, const char* what, const Run& run);

}  // namespace fr
