#include "softmax_sums.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "class_sums.hpp"
#include "own_cosines.hpp"
#include "sample_values.hpp"

namespace fr_tf_ops {
namespace {

constexpr float kLeast = -std::numeric_limits<float>::infinity();

// What a block of classes adds up to.
class BlockSums {
 public:
  explicit BlockSums(std::size_t samples)
      : peak_(samples, kLeast),
        peak_before_(samples),
        largest_(samples, kLeast),
        tile_shares_(samples),
        tile_total_(samples),
        shares_(samples),
        total_(samples) {}

  void add(const Elementwise& kernels, const Tile& tile, const std::int32_t* labels, float scale,
           const Negatives& negatives) {
    peak_before_ = peak_;
    kernels.softmax_sums(tile, {labels, scale, negatives, peak_.data(), largest_.data(), tile_shares_.data(),
                                tile_total_.data()});
    for (std::size_t b = 0; b < peak_.size(); ++b) {
      shares_[b] = shares_[b] * shrunk(peak_before_[b], peak_[b]) + tile_shares_[b];
      total_[b] += tile_total_[b];
    }
  }

  void add(const BlockSums& next) {
    for (std::size_t b = 0; b < peak_.size(); ++b) {
      const float peak = std::max(peak_[b], next.peak_[b]);
      shares_[b] = shares_[b] * shrunk(peak_[b], peak) + next.shares_[b] * shrunk(next.peak_[b], peak);
      total_[b] += next.total_[b];
      if (next.largest_[b] > largest_[b] || std::isnan(next.largest_[b])) largest_[b] = next.largest_[b];
      peak_[b] = peak;
    }
  }

  void write(std::size_t samples, const SoftmaxResults& results) const {
    for (std::size_t b = 0; b < samples; ++b) {
      const bool none = peak_[b] == kLeast && shares_[b] == 0;
      results.log_sum_exp[b] = none ? kLeast : static_cast<float>(peak_[b] + std::log(shares_[b]));
      results.total[b] = static_cast<float>(total_[b]);
      results.largest[b] = largest_[b];
    }
  }

 private:
  // exp(from - to), what sums relative to a peak are worth relative to a larger one.
  static double shrunk(float from, float to) {
    return from == to ? 1.0 : std::exp(double{from} - double{to});
  }

  std::vector<float> peak_;
  std::vector<float> peak_before_;
  std::vector<float> largest_;
  std::vector<float> tile_shares_;
  std::vector<float> tile_total_;
  std::vector<double> shares_;
  std::vector<double> total_;
};

// The thresholds of samples in `negatives`, padded.
std::vector<float> padded_thresholds(const Negatives& negatives, const Problem& problem) {
  if (!has_thresholds(negatives.kind)) return {};
  return padded(negatives.thresholds, problem, 0.0f);
}

bool any_nonzero(const float* values, std::size_t count) {
  return std::any_of(values, values + count, [](float value) { return value != 0.0f; });
}

}  // namespace

void softmax_sums(const Engine& engine, const Problem& problem, const SoftmaxSettings& settings,
                  const SoftmaxResults& results) {
  const std::vector<std::int32_t> labels = padded(problem.labels, problem, kNoLabel);
  const std::vector<float> thresholds = padded_thresholds(settings.negatives, problem);
  const Negatives negatives = {settings.negatives.kind, thresholds.data(), settings.negatives.hardness};
  std::vector<BlockSums> blocks(forward_blocks(problem), BlockSums(padded_samples(problem)));
  for_each_tile(engine, problem, [&](std::size_t block, const Tile& tile) {
    blocks[block].add(*engine.kernels.elementwise, tile, labels.data(), settings.scale, negatives);
  });
  for (std::size_t block = 1; block < blocks.size(); ++block) blocks[0].add(blocks[block]);
  blocks[0].write(problem.samples, results);
  own_cosines(problem, results.target);
}

void softmax_gradients(const Engine& engine, const Problem& problem, const SoftmaxSettings& settings,
                       const SoftmaxUpstream& upstream, float skip_below, float* g_x, void* g_weights) {
  const std::vector<std::int32_t> labels = padded(problem.labels, problem, kNoLabel);
  const std::vector<float> thresholds = padded_thresholds(settings.negatives, problem);
  // Infinite, so that what fills the last panel has no share.
  const std::vector<float> log_sum_exp = padded(upstream.log_sum_exp, problem, -kLeast);
  const std::vector<float> g_target = padded(upstream.g_target, problem, 0.0f);
  const std::vector<float> g_log_sum_exp = padded(upstream.g_log_sum_exp, problem, 0.0f);
  const std::vector<float> g_total = padded(upstream.g_total, problem, 0.0f);
  const bool skips = skip_below > 0.0f && !any_nonzero(upstream.g_total, problem.samples);
  SoftmaxSlopes slopes = {labels.data(),
                          settings.scale,
                          {settings.negatives.kind, thresholds.data(), settings.negatives.hardness},
                          log_sum_exp.data(),
                          g_target.data(),
                          g_log_sum_exp.data(),
                          g_total.data(),
                          skips ? skip_below : 0.0f,
                          nullptr};
  const auto to_slopes = [&](const Tile& tile, std::uint8_t* kept) {
    SoftmaxSlopes of_tile = slopes;
    of_tile.kept = kept;
    engine.kernels.elementwise->softmax_slopes(tile, of_tile);
  };
  class_gradients(engine, problem, to_slopes, skips, g_x, g_weights);
}

}  // namespace fr_tf_ops
