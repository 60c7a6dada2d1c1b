// FrUnifiedSums and its gradient.
#pragma once

#include "ops/inputs.hpp"
#include "unified_sums.hpp"

namespace fr_tf_ops {

REGISTER_OP("FrUnifiedSums")
    .Input("x: float")
    .Input("weights: T")
    .Input("labels: int32")
    .Input("scale: float")
    .Input("bias: float")
    .Output("target: float")
    .Output("softplus: float")
    .Output("largest: float")
    .Output("sigmoid: float")
    .Attr("T: {float, bfloat16, half}")
    .Attr("sub_centers: int >= 1 = 1")
    .Attr("products: {'float32', 'bfloat16'} = 'float32'")
    .SetShapeFn(sums_shape<4>)
    .Doc("Sums over the classes that are not a sample's own, for binary cross-entropies of scaled cosines.");

REGISTER_OP("FrUnifiedSumsGrad")
    .Input("x: float")
    .Input("weights: T")
    .Input("labels: int32")
    .Input("scale: float")
    .Input("bias: float")
    .Input("g_target: float")
    .Input("g_softplus: float")
    .Output("g_x: float")
    .Output("g_weights: T")
    .Attr("T: {float, bfloat16, half}")
    .Attr("sub_centers: int >= 1 = 1")
    .Attr("products: {'float32', 'bfloat16'} = 'float32'")
    .SetShapeFn(gradients_shape)
    .Doc("Gradients of FrUnifiedSums.");

inline absl::Status read_unified(OpKernelContext* context, UnifiedSettings* settings) {
  TF_RETURN_IF_ERROR(read_scalar(context, 3, "scale", &settings->scale));
  return read_scalar(context, 4, "bias", &settings->bias);
}

class UnifiedSumsOp : public ClassSumsOp {
 public:
  using ClassSumsOp::ClassSumsOp;

 protected:
  absl::Status compute(OpKernelContext* context, const Engine& engine, const Problem& problem) override {
    UnifiedSettings settings;
    TF_RETURN_IF_ERROR(read_unified(context, &settings));
    const tensorflow::TensorShape& shape = context->input(2).shape();
    UnifiedResults results;
    TF_RETURN_IF_ERROR(allocate_floats(context, 0, shape, &results.target));
    TF_RETURN_IF_ERROR(allocate_floats(context, 1, shape, &results.softplus));
    TF_RETURN_IF_ERROR(allocate_floats(context, 2, shape, &results.largest));
    TF_RETURN_IF_ERROR(allocate_floats(context, 3, shape, &results.sigmoid));
    unified_sums(engine, problem, settings, results);
    return absl::OkStatus();
  }
};

class UnifiedSumsGradOp : public ClassSumsOp {
 public:
  using ClassSumsOp::ClassSumsOp;

 protected:
  absl::Status compute(OpKernelContext* context, const Engine& engine, const Problem& problem) override {
    UnifiedSettings settings;
    TF_RETURN_IF_ERROR(read_unified(context, &settings));
    const auto samples = static_cast<std::int64_t>(problem.samples);
    TF_RETURN_IF_ERROR(check_samples(context->input(5), "g_target", samples));
    TF_RETURN_IF_ERROR(check_samples(context->input(6), "g_softplus", samples));
    const UnifiedUpstream upstream = {floats(context->input(5)), floats(context->input(6))};
    float* g_x = nullptr;
    Tensor* g_weights = nullptr;
    TF_RETURN_IF_ERROR(allocate_floats(context, 0, context->input(0).shape(), &g_x));
    TF_RETURN_IF_ERROR(context->allocate_output(1, context->input(1).shape(), &g_weights));
    unified_gradients(engine, problem, settings, upstream, g_x, g_weights->data());
    return absl::OkStatus();
  }
};

REGISTER_KERNEL_BUILDER(Name("FrUnifiedSums").Device(tensorflow::DEVICE_CPU), UnifiedSumsOp);
REGISTER_KERNEL_BUILDER(Name("FrUnifiedSumsGrad").Device(tensorflow::DEVICE_CPU), UnifiedSumsGradOp);

}  // namespace fr_tf_ops
