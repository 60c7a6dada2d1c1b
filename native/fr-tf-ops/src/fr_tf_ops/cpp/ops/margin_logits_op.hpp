// FrMarginLogits; its gradient is an FrMarginLogits too.
#pragma once

#include "margin_logits.hpp"
#include "ops/inputs.hpp"

namespace fr_tf_ops {

inline absl::Status margin_logits_shape(InferenceContext* context) {
  ShapeHandle cosines, samples;
  TF_RETURN_IF_ERROR(context->WithRank(context->input(0), 2, &cosines));
  TF_RETURN_IF_ERROR(context->WithRank(context->input(1), 1, &samples));
  TF_RETURN_IF_ERROR(context->Merge(samples, context->input(2), &samples));
  context->set_output(0, cosines);
  return absl::OkStatus();
}

REGISTER_OP("FrMarginLogits")
    .Input("cosines: float")
    .Input("target_logits: float")
    .Input("labels: int32")
    .Input("scale: float")
    .Output("logits: float")
    .SetShapeFn(margin_logits_shape)
    .Doc("Scaled cosines, but for the own class, whose logit is given.");

class MarginLogitsOp : public OpKernel {
 public:
  using OpKernel::OpKernel;

  void Compute(OpKernelContext* context) override {
    const Tensor& cosines = context->input(0);
    OP_REQUIRES(context, cosines.dims() == 2, bad_shape("cosines", "[samples, classes]", cosines));
    const std::int64_t samples = cosines.dim_size(0);
    const std::int64_t classes = cosines.dim_size(1);
    OP_REQUIRES_OK(context, check_samples(context->input(1), "target_logits", samples));
    OP_REQUIRES_OK(context, check_labels(context->input(2), samples, classes));
    float scale = 0.0f;
    OP_REQUIRES_OK(context, read_scalar(context, 3, "scale", &scale));
    float* logits = nullptr;
    OP_REQUIRES_OK(context, allocate_floats(context, 0, cosines.shape(), &logits));
    margin_logits(pool_of(context), floats(cosines), static_cast<std::size_t>(samples),
                  static_cast<std::size_t>(classes), floats(context->input(1)),
                  static_cast<const std::int32_t*>(context->input(2).data()), scale, logits);
  }
};

REGISTER_KERNEL_BUILDER(Name("FrMarginLogits").Device(tensorflow::DEVICE_CPU), MarginLogitsOp);

}  // namespace fr_tf_ops
