// All ops in one source: TensorFlow's headers take seconds to compile.
#include "ops/margin_logits_op.hpp"
#include "ops/refusal_of_xla.hpp"
#include "ops/softmax_sums_op.hpp"
#include "ops/unified_sums_op.hpp"

// Names of the instruction sets this CPU runs, slowest first, with commas between them.
extern "C" __attribute__((visibility("default"))) const char* fr_tf_ops_isas() {
  static const std::string names = [] {
    std::string joined;
    for (const auto& name : fr_tf_ops::available_isas()) joined += (joined.empty() ? "" : ",") + name;
    return joined;
  }();
  return names.c_str();
}
