// FrSoftmaxSums and its gradient.
#pragma once

#include "ops/inputs.hpp"
#include "softmax_sums.hpp"

namespace fr_tf_ops {

REGISTER_OP("FrSoftmaxSums")
    .Input("x: float")
    .Input("weights: T")
    .Input("labels: int32")
    .Input("scale: float")
    .Input("thresholds: float")
    .Input("hardness: float")
    .Output("target: float")
    .Output("log_sum_exp: float")
    .Output("total: float")
    .Output("largest: float")
    .Attr("T: {float, bfloat16, half}")
    .Attr("sub_centers: int >= 1 = 1")
    .Attr("negatives: {'cosine', 'hard', 'drop', 'angle'} = 'cosine'")
    .Attr("products: {'float32', 'bfloat16'} = 'float32'")
    .Attr("skip_below: float = 0.0")
    .SetShapeFn(sums_shape<4>)
    .Doc("Sums over the classes that are not a sample's own, for a softmax of scaled cosines.");

REGISTER_OP("FrSoftmaxSumsGrad")
    .Input("x: float")
    .Input("weights: T")
    .Input("labels: int32")
    .Input("scale: float")
    .Input("thresholds: float")
    .Input("hardness: float")
    .Input("log_sum_exp: float")
    .Input("g_target: float")
    .Input("g_log_sum_exp: float")
    .Input("g_total: float")
    .Output("g_x: float")
    .Output("g_weights: T")
    .Attr("T: {float, bfloat16, half}")
    .Attr("sub_centers: int >= 1 = 1")
    .Attr("negatives: {'cosine', 'hard', 'drop', 'angle'} = 'cosine'")
    .Attr("products: {'float32', 'bfloat16'} = 'float32'")
    .Attr("skip_below: float = 0.0")
    .SetShapeFn(gradients_shape)
    .Doc("Gradients of FrSoftmaxSums.");

// Reads what both have besides the problem.
class SoftmaxOp : public ClassSumsOp {
 public:
  explicit SoftmaxOp(OpKernelConstruction* context) : ClassSumsOp(context) {
    std::string negatives;
    OP_REQUIRES_OK(context, context->GetAttr("negatives", &negatives));
    OP_REQUIRES_OK(context, context->GetAttr("skip_below", &skip_below_));
    if (negatives == "hard") kind_ = NegativesKind::kHard;
    if (negatives == "drop") kind_ = NegativesKind::kDrop;
    if (negatives == "angle") kind_ = NegativesKind::kAngle;
  }

 protected:
  absl::Status read_settings(OpKernelContext* context, const Problem& problem, SoftmaxSettings* settings) {
    TF_RETURN_IF_ERROR(read_scalar(context, 3, "scale", &settings->scale));
    settings->negatives = {kind_, floats(context->input(4)), 0.0f};
    if (!has_thresholds(kind_)) return absl::OkStatus();
    const auto samples = static_cast<std::int64_t>(problem.samples);
    TF_RETURN_IF_ERROR(check_samples(context->input(4), "thresholds", samples));
    if (kind_ != NegativesKind::kHard) return absl::OkStatus();
    return read_scalar(context, 5, "hardness", &settings->negatives.hardness);
  }

  float skip_below_ = 0.0f;

 private:
  NegativesKind kind_ = NegativesKind::kCosine;
};

class SoftmaxSumsOp : public SoftmaxOp {
 public:
  using SoftmaxOp::SoftmaxOp;

 protected:
  absl::Status compute(OpKernelContext* context, const Engine& engine, const Problem& problem) override {
    SoftmaxSettings settings;
    TF_RETURN_IF_ERROR(read_settings(context, problem, &settings));
    const tensorflow::TensorShape& shape = context->input(2).shape();
    SoftmaxResults results;
    TF_RETURN_IF_ERROR(allocate_floats(context, 0, shape, &results.target));
    TF_RETURN_IF_ERROR(allocate_floats(context, 1, shape, &results.log_sum_exp));
    TF_RETURN_IF_ERROR(allocate_floats(context, 2, shape, &results.total));
    TF_RETURN_IF_ERROR(allocate_floats(context, 3, shape, &results.largest));
    softmax_sums(engine, problem, settings, results);
    return absl::OkStatus();
  }
};

class SoftmaxSumsGradOp : public SoftmaxOp {
 public:
  using SoftmaxOp::SoftmaxOp;

 protected:
  absl::Status compute(OpKernelContext* context, const Engine& engine, const Problem& problem) override {
    SoftmaxSettings settings;
    TF_RETURN_IF_ERROR(read_settings(context, problem, &settings));
    const char* names[] = {"log_sum_exp", "g_target", "g_log_sum_exp", "g_total"};
    for (int i = 0; i < 4; ++i) {
      const auto samples = static_cast<std::int64_t>(problem.samples);
      TF_RETURN_IF_ERROR(check_samples(context->input(6 + i), names[i], samples));
    }
    const SoftmaxUpstream upstream = {floats(context->input(6)), floats(context->input(7)),
                                      floats(context->input(8)), floats(context->input(9))};
    float* g_x = nullptr;
    Tensor* g_weights = nullptr;
    TF_RETURN_IF_ERROR(allocate_floats(context, 0, context->input(0).shape(), &g_x));
    TF_RETURN_IF_ERROR(context->allocate_output(1, context->input(1).shape(), &g_weights));
    softmax_gradients(engine, problem, settings, upstream, skip_below_, g_x, g_weights->data());
    return absl::OkStatus();
  }
};

REGISTER_KERNEL_BUILDER(Name("FrSoftmaxSums").Device(tensorflow::DEVICE_CPU), SoftmaxSumsOp);
REGISTER_KERNEL_BUILDER(Name("FrSoftmaxSumsGrad").Device(tensorflow::DEVICE_CPU), SoftmaxSumsGradOp);

}  // namespace fr_tf_ops
