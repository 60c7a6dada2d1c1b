// Softmax over the classes that are not the sample's own: sums and their gradients.
#pragma once

#include "problem.hpp"

namespace fr_tf_ops {

struct SoftmaxSettings {
  float scale;
  Negatives negatives;  // thresholds of all samples
};

struct SoftmaxResults {
  float* target;       // the own class's cosine
  float* log_sum_exp;  // of the others' logits
  float* total;        // their sum
  float* largest;      // the largest of the others' cosines
};

void softmax_sums(const Engine& engine, const Problem& problem, const SoftmaxSettings& settings,
                  const SoftmaxResults& results);

struct SoftmaxUpstream {
  const float* log_sum_exp;  // as softmax_sums gave it
  const float* g_target;
  const float* g_log_sum_exp;
  const float* g_total;
};

// A class whose share exp(logit - log_sum_exp) is below skip_below for every sample, and that is nobody's
// own, gets no gradient and gives none, unless there is a g_total, which does not depend on shares. At most
// classes * skip_below of each sample's probability is left out so.
void softmax_gradients(const Engine& engine, const Problem& problem, const SoftmaxSettings& settings,
                       const SoftmaxUpstream& upstream, float skip_below, float* g_x, void* g_weights);

}  // namespace fr_tf_ops
