// Cosine scores of listed pairs of rows.
#pragma once

#include <cstdint>

#include "normed_rows.hpp"
#include "parallel.hpp"
#include "span.hpp"

namespace fr {

// scores[p] = cosine of rows first[p] and second[p]: float64 dot product of float32 unit rows, rounded once.
// Throws std::out_of_range naming the first pair that points outside the rows.
void pair_scores(const Rows& rows, Span<std::int64_t> first, Span<std::int64_t> second, float* scores,
                 const Run& run);

}  // namespace fr
