// Binary cross-entropy of each class that is not the sample's own (UniFace): sums and their gradients.
#pragma once

#include "problem.hpp"

namespace fr_tf_ops {

struct UnifiedSettings {
  float scale;
  float bias;
};

struct UnifiedResults {
  float* target;    // the own class's cosine
  float* softplus;  // sum of softplus(scale c - bias) over the others
  float* largest;   // the largest of the others' cosines
  float* sigmoid;   // the sum's derivative by -bias
};

void unified_sums(const Engine& engine, const Problem& problem, const UnifiedSettings& settings,
                  const UnifiedResults& results);

struct UnifiedUpstream {
  const float* g_target;
  const float* g_softplus;
};

void unified_gradients(const Engine& engine, const Problem& problem, const UnifiedSettings& settings,
                       const UnifiedUpstream& upstream, float* g_x, void* g_weights);

}  // namespace fr_tf_ops
