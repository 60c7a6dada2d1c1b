// Logits of a dense head: scaled cosines, but for the own class, whose logit is given.
#pragma once

#include <cstddef>
#include <cstdint>

#include "parallel.hpp"

namespace fr_tf_ops {

// logits[b][j] = j == labels[b] ? target_logits[b] : scale * cosines[b][j].
void margin_logits(const Pool& pool, const float* cosines, std::size_t samples, std::size_t classes,
                   const float* target_logits, const std::int32_t* labels, float scale, float* logits);

}  // namespace fr_tf_ops
