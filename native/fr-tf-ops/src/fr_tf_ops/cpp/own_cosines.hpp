#pragma once

#include "problem.hpp"

namespace fr_tf_ops {

// Of each sample the largest cosine with a row of its own class, from unrounded operands, in float64.
void own_cosines(const Problem& problem, float* target);

}  // namespace fr_tf_ops
