#include "unified_sums.hpp"

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
      : largest_(samples, kLeast),
        tile_softplus_(samples),
        tile_sigmoid_(samples),
        softplus_(samples),
        sigmoid_(samples) {}

  void add(const Elementwise& kernels, const Tile& tile, const std::int32_t* labels,
           const UnifiedSettings& settings) {
    kernels.unified_sums(tile, {labels, settings.scale, settings.bias, largest_.data(), tile_softplus_.data(),
                                tile_sigmoid_.data()});
    for (std::size_t b = 0; b < largest_.size(); ++b) {
      softplus_[b] += tile_softplus_[b];
      sigmoid_[b] += tile_sigmoid_[b];
    }
  }

  void add(const BlockSums& next) {
    for (std::size_t b = 0; b < largest_.size(); ++b) {
      softplus_[b] += next.softplus_[b];
      sigmoid_[b] += next.sigmoid_[b];
      if (next.largest_[b] > largest_[b] || std::isnan(next.largest_[b])) largest_[b] = next.largest_[b];
    }
  }

  void write(std::size_t samples, const UnifiedResults& results) const {
    for (std::size_t b = 0; b < samples; ++b) {
      results.softplus[b] = static_cast<float>(softplus_[b]);
      results.sigmoid[b] = static_cast<float>(sigmoid_[b]);
      results.largest[b] = largest_[b];
    }
  }

 private:
  std::vector<float> largest_;
  std::vector<float> tile_softplus_;
  std::vector<float> tile_sigmoid_;
  std::vector<double> softplus_;
  std::vector<double> sigmoid_;
};

}  // namespace

void unified_sums(const Engine& engine, const Problem& problem, const UnifiedSettings& settings,
                  const UnifiedResults& results) {
  const std::vector<std::int32_t> labels = padded(problem.labels, problem, kNoLabel);
  std::vector<BlockSums> blocks(forward_blocks(problem), BlockSums(padded_samples(problem)));
  for_each_tile(engine, problem, [&](std::size_t block, const Tile& tile) {
    blocks[block].add(*engine.kernels.elementwise, tile, labels.data(), settings);
  });
  for (std::size_t block = 1; block < blocks.size(); ++block) blocks[0].add(blocks[block]);
  blocks[0].write(problem.samples, results);
  own_cosines(problem, results.target);
}

void unified_gradients(const Engine& engine, const Problem& problem, const UnifiedSettings& settings,
                       const UnifiedUpstream& upstream, float* g_x, void* g_weights) {
  const std::vector<std::int32_t> labels = padded(problem.labels, problem, kNoLabel);
  const std::vector<float> g_target = padded(upstream.g_target, problem, 0.0f);
  const std::vector<float> g_softplus = padded(upstream.g_softplus, problem, 0.0f);
  const UnifiedSlopes slopes = {labels.data(), settings.scale, settings.bias, g_target.data(),
                                g_softplus.data()};
  const auto to_slopes = [&](const Tile& tile, std::uint8_t*) {
    engine.kernels.elementwise->unified_slopes(tile, slopes);
  };
  class_gradients(engine, problem, to_slopes, false, g_x, g_weights);
}

}  // namespace fr_tf_ops
