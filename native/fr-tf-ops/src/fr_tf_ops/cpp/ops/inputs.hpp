// What the ops have in common: their inputs, checked, and how their errors read.
#pragma once

#include <new>
#include <stdexcept>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "class_sums.hpp"
#include "kernels/dispatch.hpp"
#include "tensorflow/core/framework/op.h"
#include "tensorflow/core/framework/op_kernel.h"
#include "tensorflow/core/framework/shape_inference.h"

namespace fr_tf_ops {

using tensorflow::OpKernel;
using tensorflow::OpKernelConstruction;
using tensorflow::OpKernelContext;
using tensorflow::Tensor;
using tensorflow::shape_inference::InferenceContext;
using tensorflow::shape_inference::ShapeHandle;

inline absl::Status bad_shape(const char* input, const std::string& expected, const Tensor& got) {
  return absl::InvalidArgumentError(
      absl::StrCat(input, ": expected shape ", expected, ", got ", got.shape().DebugString()));
}

inline const float* floats(const Tensor& tensor) { return static_cast<const float*>(tensor.data()); }

inline absl::Status read_scalar(OpKernelContext* context, int index, const char* name, float* value) {
  const Tensor& tensor = context->input(index);
  if (tensor.dims() != 0) return bad_shape(name, "[]", tensor);
  *value = *floats(tensor);
  return absl::OkStatus();
}

inline absl::Status check_samples(const Tensor& tensor, const char* name, std::int64_t samples) {
  if (tensor.dims() == 1 && tensor.dim_size(0) == samples) return absl::OkStatus();
  return bad_shape(name, absl::StrCat("[", samples, "], one for each sample"), tensor);
}

inline absl::Status check_labels(const Tensor& labels, std::int64_t samples, std::int64_t classes) {
  const absl::Status status = check_samples(labels, "labels", samples);
  if (!status.ok()) return status;
  const auto* values = static_cast<const std::int32_t*>(labels.data());
  for (std::int64_t b = 0; b < samples; ++b) {
    if (values[b] < 0 || values[b] >= classes) {
      return absl::InvalidArgumentError(
          absl::StrCat("labels[", b, "]: expected a class in [0, ", classes, "), got ", values[b]));
    }
  }
  return absl::OkStatus();
}

inline RowType row_type(tensorflow::DataType type) {
  switch (type) {
    case tensorflow::DT_BFLOAT16:
      return RowType::kBfloat16;
    case tensorflow::DT_HALF:
      return RowType::kHalf;
    default:
      return RowType::kFloat32;
  }
}

// From the inputs x [B, D], weights [C * parts, D] and labels [B], which come first.
inline absl::Status read_problem(OpKernelContext* context, int parts, Problem* problem) {
  const Tensor& x = context->input(0);
  const Tensor& weights = context->input(1);
  if (x.dims() != 2) return bad_shape("x", "[samples, dim]", x);
  if (weights.dims() != 2 || weights.dim_size(1) != x.dim_size(1)) {
    return bad_shape("weights", absl::StrCat("[rows, ", x.dim_size(1), "], as wide as x"), weights);
  }
  if (weights.dim_size(0) % parts != 0) {
    return bad_shape("weights", absl::StrCat("of a multiple of ", parts, " sub-centres"), weights);
  }
  const std::int64_t classes = weights.dim_size(0) / parts;
  const absl::Status status = check_labels(context->input(2), x.dim_size(0), classes);
  if (!status.ok()) return status;
  *problem = {floats(x),
              static_cast<std::size_t>(x.dim_size(0)),
              static_cast<std::size_t>(x.dim_size(1)),
              weights.data(),
              row_type(weights.dtype()),
              static_cast<std::size_t>(classes),
              static_cast<std::size_t>(parts),
              static_cast<const std::int32_t*>(context->input(2).data())};
  return absl::OkStatus();
}

// TensorFlow's own pool for the work within ops.
inline Pool pool_of(OpKernelContext* context) {
  const auto* threads = context->device()->tensorflow_cpu_worker_threads();
  return {static_cast<std::size_t>(threads->num_threads),
          [pool = threads->workers](std::function<void()> task) { pool->Schedule(std::move(task)); }};
}

inline absl::Status allocate_floats(OpKernelContext* context, int index, const tensorflow::TensorShape& shape,
                                    float** data) {
  Tensor* output = nullptr;
  const absl::Status status = context->allocate_output(index, shape, &output);
  if (status.ok()) *data = static_cast<float*>(output->data());
  return status;
}

// An op that sums over classes: its attributes, and what it throws as a status.
class ClassSumsOp : public OpKernel {
 public:
  explicit ClassSumsOp(OpKernelConstruction* context) : OpKernel(context) {
    OP_REQUIRES_OK(context, context->GetAttr("sub_centers", &parts_));
    std::string products;
    OP_REQUIRES_OK(context, context->GetAttr("products", &products));
    bfloat16_ = products == "bfloat16";
  }

  void Compute(OpKernelContext* context) override {
    try {
      Problem problem;
      OP_REQUIRES_OK(context, read_problem(context, parts_, &problem));
      const Pool pool = pool_of(context);
      const Kernels& chosen = kernels();
      const Engine engine = {chosen, bfloat16_ ? *chosen.bfloat16 : *chosen.float32, pool};
      OP_REQUIRES_OK(context, compute(context, engine, problem));
    } catch (const std::bad_alloc&) {
      context->SetStatus(absl::ResourceExhaustedError(absl::StrCat(type_string(), ": out of memory")));
    } catch (const std::invalid_argument& error) {
      context->SetStatus(absl::InvalidArgumentError(error.what()));
    }
  }

 protected:
  virtual absl::Status compute(OpKernelContext* context, const Engine& engine, const Problem& problem) = 0;

 private:
  int parts_ = 1;
  bool bfloat16_ = false;
};

// Shapes of the inputs that all sums have, and of `outputs` vectors of samples.
template <int outputs>
absl::Status sums_shape(InferenceContext* context) {
  ShapeHandle x, weights, labels;
  tensorflow::shape_inference::DimensionHandle samples, dim;
  TF_RETURN_IF_ERROR(context->WithRank(context->input(0), 2, &x));
  TF_RETURN_IF_ERROR(context->WithRank(context->input(1), 2, &weights));
  TF_RETURN_IF_ERROR(context->WithRank(context->input(2), 1, &labels));
  TF_RETURN_IF_ERROR(context->Merge(context->Dim(x, 0), context->Dim(labels, 0), &samples));
  TF_RETURN_IF_ERROR(context->Merge(context->Dim(x, 1), context->Dim(weights, 1), &dim));
  for (int i = 0; i < outputs; ++i) context->set_output(i, context->Vector(samples));
  return absl::OkStatus();
}

// Gradients of x and weights have their shapes.
inline absl::Status gradients_shape(InferenceContext* context) {
  context->set_output(0, context->input(0));
  context->set_output(1, context->input(1));
  return absl::OkStatus();
}

}  // namespace fr_tf_ops
