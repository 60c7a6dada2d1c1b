// What XLA finds in place of the ops: a line that says what to do. Without it TensorFlow lists its devices.
#pragma once

#include "ops/inputs.hpp"

namespace fr_tf_ops {

class RefusalOfXla : public OpKernel {
 public:
  using OpKernel::OpKernel;

  void Compute(OpKernelContext* context) override {
    context->CtxFailure(absl::UnimplementedError(
        absl::StrCat(type_string(),
                     " does not run under XLA: call it outside of jit_compile=True; with fr-losses, "
                     "trace the tf.function within it first, or choose backend='tensorflow'")));
  }
};

REGISTER_KERNEL_BUILDER(Name("FrSoftmaxSums").Device("XLA_CPU_JIT"), RefusalOfXla);
REGISTER_KERNEL_BUILDER(Name("FrSoftmaxSumsGrad").Device("XLA_CPU_JIT"), RefusalOfXla);
REGISTER_KERNEL_BUILDER(Name("FrUnifiedSums").Device("XLA_CPU_JIT"), RefusalOfXla);
REGISTER_KERNEL_BUILDER(Name("FrUnifiedSumsGrad").Device("XLA_CPU_JIT"), RefusalOfXla);
REGISTER_KERNEL_BUILDER(Name("FrMarginLogits").Device("XLA_CPU_JIT"), RefusalOfXla);

}  // namespace fr_tf_ops
