// Sums over the classes of a tile, and what the tile's cosines become on the way back.
#pragma once

#include <type_traits>

#include "kernels/negatives.hpp"

namespace fr_tf_ops {
namespace {

template <typename NegativesOf>
void softmax_sums_of(const Tile& tile, const SoftmaxSums& sums) {
  const Lanes scale = Lanes::all(sums.scale);
  const Lanes zero = Lanes::all(0.0f);
  const Lanes least = Lanes::all(-kInfinity);
  for (std::size_t b = 0; b < tile.samples; b += Lanes::kWidth) {
    const NegativesOf negatives(sums.negatives, b);
    Lanes peak = Lanes::load(sums.peak + b);
    Lanes largest = Lanes::load(sums.largest + b);
    Lanes total = zero;
    for (std::size_t j = 0; j < tile.classes; ++j) {
      float* at = tile.cosines + j * tile.stride + b;
      const Lanes::Mask own = Lanes::equal(sums.labels + b, tile.first_class + static_cast<std::int32_t>(j));
      const Lanes cosine = Lanes::load(at);
      const Lanes logit = scale * negatives.value(cosine);
      const Lanes other = select(own, least, logit);
      total = total + select(own, zero, logit);
      peak = max(other, peak);
      largest = max_or_nan(select(own, least, cosine), largest);
      other.store(at);
    }
    const Lanes anchor = select(equal(peak, least), zero, peak);
    Lanes shares = zero;
    for (std::size_t j = 0; j < tile.classes; ++j) {
      shares = shares + exp(Lanes::load(tile.cosines + j * tile.stride + b) - anchor);
    }
    peak.store(sums.peak + b);
    largest.store(sums.largest + b);
    shares.store(sums.shares + b);
    total.store(sums.total + b);
  }
}

template <typename NegativesOf, bool skips>
void softmax_slopes_of(const Tile& tile, const SoftmaxSlopes& slopes) {
  const Lanes scale = Lanes::all(slopes.scale);
  for (std::size_t b = 0; b < tile.samples; b += Lanes::kWidth) {
    const NegativesOf negatives(slopes.negatives, b);
    const Lanes log_sum_exp = Lanes::load(slopes.log_sum_exp + b);
    const Lanes g_target = Lanes::load(slopes.g_target + b);
    const Lanes g_log_sum_exp = scale * Lanes::load(slopes.g_log_sum_exp + b);
    const Lanes g_total = scale * Lanes::load(slopes.g_total + b);
    for (std::size_t j = 0; j < tile.classes; ++j) {
      float* at = tile.cosines + j * tile.stride + b;
      const Lanes::Mask own =
          Lanes::equal(slopes.labels + b, tile.first_class + static_cast<std::int32_t>(j));
      const Lanes cosine = Lanes::load(at);
      const Lanes share = exp(scale * negatives.value(cosine) - log_sum_exp);
      const Lanes slope = negatives.slope(cosine) * fma(g_log_sum_exp, share, g_total);
      select(own, g_target, slope).store(at);
      if constexpr (skips) {
        const Lanes::Mask small = greater(Lanes::all(slopes.skip_below), share);  // not where it is NaN
        slopes.kept[j] |= static_cast<std::uint8_t>(!all(small) || any(own));
      }
    }
  }
}

inline void softmax_sums(const Tile& tile, const SoftmaxSums& sums) {
  with_negatives(sums.negatives.kind,
                 [&](auto* kind) { softmax_sums_of<std::remove_pointer_t<decltype(kind)>>(tile, sums); });
}

inline void softmax_slopes(const Tile& tile, const SoftmaxSlopes& slopes) {
  with_negatives(slopes.negatives.kind, [&](auto* kind) {
    using Kind = std::remove_pointer_t<decltype(kind)>;
    if (slopes.skip_below > 0.0f) {
      softmax_slopes_of<Kind, true>(tile, slopes);
    } else {
      softmax_slopes_of<Kind, false>(tile, slopes);
    }
  });
}

inline void unified_sums(const Tile& tile, const UnifiedSums& sums) {
  const Lanes scale = Lanes::all(sums.scale);
  const Lanes bias = Lanes::all(sums.bias);
  const Lanes zero = Lanes::all(0.0f);
  const Lanes least = Lanes::all(-kInfinity);
  for (std::size_t b = 0; b < tile.samples; b += Lanes::kWidth) {
    Lanes largest = Lanes::load(sums.largest + b);
    Lanes softplus = zero;
    Lanes sigmoid = zero;
    for (std::size_t j = 0; j < tile.classes; ++j) {
      const Lanes::Mask own = Lanes::equal(sums.labels + b, tile.first_class + static_cast<std::int32_t>(j));
      const Lanes cosine = Lanes::load(tile.cosines + j * tile.stride + b);
      const SoftplusAndSlope of_logit = softplus_and_slope(scale * cosine - bias);
      softplus = softplus + select(own, zero, of_logit.softplus);
      sigmoid = sigmoid + select(own, zero, of_logit.sigmoid);
      largest = max_or_nan(select(own, least, cosine), largest);
    }
    largest.store(sums.largest + b);
    softplus.store(sums.softplus + b);
    sigmoid.store(sums.sigmoid + b);
  }
}

inline void unified_slopes(const Tile& tile, const UnifiedSlopes& slopes) {
  const Lanes scale = Lanes::all(slopes.scale);
  const Lanes bias = Lanes::all(slopes.bias);
  for (std::size_t b = 0; b < tile.samples; b += Lanes::kWidth) {
    const Lanes g_target = Lanes::load(slopes.g_target + b);
    const Lanes g_softplus = scale * Lanes::load(slopes.g_softplus + b);
    for (std::size_t j = 0; j < tile.classes; ++j) {
      float* at = tile.cosines + j * tile.stride + b;
      const Lanes::Mask own =
          Lanes::equal(slopes.labels + b, tile.first_class + static_cast<std::int32_t>(j));
      const Lanes sigmoid = softplus_and_slope(scale * Lanes::load(at) - bias).sigmoid;
      select(own, g_target, g_softplus * sigmoid).store(at);
    }
  }
}

}  // namespace
}  // namespace fr_tf_ops
