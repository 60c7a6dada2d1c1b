#include "margin_logits.hpp"

#include <algorithm>

namespace fr_tf_ops {

void margin_logits(const Pool& pool, const float* cosines, std::size_t samples, std::size_t classes,
                   const float* target_logits, const std::int32_t* labels, float scale, float* logits) {
  constexpr std::size_t kPiece = std::size_t{1} << 16;  // classes of one sample: enough to be worth a thread
  const std::size_t pieces = (classes + kPiece - 1) / kPiece;
  parallel_blocks(pool, samples * pieces, [=](std::size_t, std::size_t block) {
    const std::size_t sample = block / pieces;
    const std::size_t first = block % pieces * kPiece;
    const std::size_t end = std::min(first + kPiece, classes);
    const float* from = cosines + sample * classes;
    float* to = logits + sample * classes;
    for (std::size_t j = first; j < end; ++j) to[j] = scale * from[j];
    const auto own = static_cast<std::size_t>(labels[sample]);
    if (first <= own && own < end) to[own] = target_logits[sample];
  });
}

}  // namespace fr_tf_ops
