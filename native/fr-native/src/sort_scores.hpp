// Ascending sort of scores: least-significant-digit radix sort on their order-preserving keys.
#pragma once

#include <vector>

#include "parallel.hpp"
#include "span.hpp"

namespace fr {

// Throws std::invalid_argument naming the first NaN. -0 comes out as +0.
template <typename Score>
void sort_scores(Span<Score> scores, Score* sorted, const Run& run);

// Throws std::invalid_argument, `what` and the index in it, when a score is NaN.
template <typename Score>
void reject_nan(Span<Score> scores, const char* what, const Run& run);

}  // namespace fr
