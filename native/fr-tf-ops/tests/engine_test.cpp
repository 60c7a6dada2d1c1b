// The engine without TensorFlow, for sanitizers and cross compilers: sums and gradients against plain loops
// in float64, on every instruction set that the CPU runs, the same bytes for every number of threads.
//
//   g++ -std=c++17 -pthread -Isrc/fr_tf_ops/cpp tests/engine_test.cpp <the sources but ops/> -o engine_test
//
// where each source for an instruction set needs the flags that src/fr_tf_ops/_sources.py gives it.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "kernels/dispatch.hpp"
#include "softmax_sums.hpp"

namespace {

using fr_tf_ops::Engine;
using fr_tf_ops::Pool;
using fr_tf_ops::Problem;

constexpr float kScale = 16.0f;

struct Case {
  std::size_t samples, dim, classes, parts;
};

struct Inputs {
  explicit Inputs(const Case& shape) : shape(shape), x(shape.samples * shape.dim), labels(shape.samples) {
    std::mt19937 random(7);
    std::normal_distribution<float> normal;
    weights.resize(shape.classes * shape.parts * shape.dim);
    for (float& value : x) value = normal(random) / std::sqrt(static_cast<float>(shape.dim));
    for (float& value : weights) value = normal(random);
    for (auto& label : labels) label = static_cast<std::int32_t>(random() % shape.classes);
  }
  Problem problem() const {
    return {x.data(),      shape.samples, shape.dim,    weights.data(), fr_tf_ops::RowType::kFloat32,
            shape.classes, shape.parts,   labels.data()};
  }

  Case shape;
  std::vector<float> x;
  std::vector<float> weights;
  std::vector<std::int32_t> labels;
};

// All that comes out, for an upstream gradient of 1 for log_sum_exp and -1 for the target.
struct Outputs {
  explicit Outputs(const Case& shape)
      : target(shape.samples),
        log_sum_exp(shape.samples),
        total(shape.samples),
        largest(shape.samples),
        g_x(shape.samples * shape.dim),
        g_weights(shape.classes * shape.parts * shape.dim) {}

  std::vector<float> target, log_sum_exp, total, largest, g_x, g_weights;
};

bool operator==(const Outputs& a, const Outputs& b) {
  return a.target == b.target && a.log_sum_exp == b.log_sum_exp && a.total == b.total &&
         a.largest == b.largest && a.g_x == b.g_x && a.g_weights == b.g_weights;
}

Outputs run(const Inputs& inputs, std::size_t threads, bool bfloat16) {
  std::vector<std::thread> started;
  const Pool pool = {threads, [&](std::function<void()> task) { started.emplace_back(std::move(task)); }};
  const auto& kernels = fr_tf_ops::kernels();
  const Engine engine = {kernels, bfloat16 ? *kernels.bfloat16 : *kernels.float32, pool};
  const fr_tf_ops::SoftmaxSettings settings = {kScale, {fr_tf_ops::NegativesKind::kCosine, nullptr, 0}};
  Outputs out(inputs.shape);
  softmax_sums(engine, inputs.problem(), settings,
               {out.target.data(), out.log_sum_exp.data(), out.total.data(), out.largest.data()});
  const std::vector<float> ones(inputs.shape.samples, 1.0f);
  const std::vector<float> minus_ones(inputs.shape.samples, -1.0f);
  const std::vector<float> zeros(inputs.shape.samples);
  softmax_gradients(engine, inputs.problem(), settings,
                    {out.log_sum_exp.data(), minus_ones.data(), ones.data(), zeros.data()}, 0, out.g_x.data(),
                    out.g_weights.data());
  for (auto& thread : started) thread.join();
  return out;
}

struct Expected {
  std::vector<double> log_sum_exp, g_x, g_weights;
};

Expected plain_loops(const Inputs& inputs) {
  const auto [samples, dim, classes, parts] = inputs.shape;
  const std::size_t rows = classes * parts;
  std::vector<double> unit(rows * dim), norm(rows), g_unit(rows * dim);
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t d = 0; d < dim; ++d) norm[r] += std::pow(inputs.weights[r * dim + d], 2.0);
    norm[r] = std::sqrt(norm[r]);
    for (std::size_t d = 0; d < dim; ++d) unit[r * dim + d] = inputs.weights[r * dim + d] / norm[r];
  }
  Expected expected{std::vector<double>(samples), std::vector<double>(samples * dim),
                    std::vector<double>(rows * dim)};
  for (std::size_t b = 0; b < samples; ++b) {
    std::vector<double> cosine(classes, -HUGE_VAL);
    std::vector<std::size_t> row(classes);
    double sum = 0;
    for (std::size_t r = 0; r < rows; ++r) {
      double dot = 0;
      for (std::size_t d = 0; d < dim; ++d) dot += inputs.x[b * dim + d] * unit[r * dim + d];
      if (dot > cosine[r / parts]) cosine[r / parts] = dot, row[r / parts] = r;
    }
    const auto own = static_cast<std::size_t>(inputs.labels[b]);
    for (std::size_t j = 0; j < classes; ++j) sum += j == own ? 0 : std::exp(kScale * cosine[j]);
    expected.log_sum_exp[b] = std::log(sum);
    for (std::size_t j = 0; j < classes; ++j) {
      const double slope = j == own ? -1 : kScale * std::exp(kScale * cosine[j]) / sum;
      for (std::size_t d = 0; d < dim; ++d) {
        expected.g_x[b * dim + d] += slope * unit[row[j] * dim + d];
        g_unit[row[j] * dim + d] += slope * inputs.x[b * dim + d];
      }
    }
  }
  for (std::size_t r = 0; r < rows; ++r) {
    double along = 0;
    for (std::size_t d = 0; d < dim; ++d) along += unit[r * dim + d] * g_unit[r * dim + d];
    for (std::size_t d = 0; d < dim; ++d) {
      const std::size_t at = r * dim + d;
      expected.g_weights[at] = (g_unit[at] - along * unit[at]) / norm[r];
    }
  }
  return expected;
}

bool near(const std::vector<float>& got, const std::vector<double>& expected, double tolerance) {
  double size = 1e-3;
  double worst = 0;
  for (const double value : expected) size = std::max(size, std::abs(value));
  for (std::size_t i = 0; i < got.size(); ++i) worst = std::max(worst, std::abs(got[i] - expected[i]));
  return worst <= tolerance * size;
}

}  // namespace

int main() {
  const Case shapes[] = {{1, 1, 2, 1}, {3, 5, 7, 2}, {33, 48, 250, 1}, {64, 100, 121, 3}, {5, 16, 2500, 1}};
  int failures = 0;
  for (const std::string& isa : fr_tf_ops::available_isas()) {
    setenv("FR_TF_OPS_ISA", isa.c_str(), 1);
    for (const Case& shape : shapes) {
      const Inputs inputs(shape);
      const Expected expected = plain_loops(inputs);
      for (const bool bfloat16 : {false, true}) {
        const double tolerance = bfloat16 ? 0.1 : 1e-4;
        const Outputs out = run(inputs, 1, bfloat16);
        const bool right = near(out.log_sum_exp, expected.log_sum_exp, tolerance) &&
                           (bfloat16 || (near(out.g_x, expected.g_x, tolerance) &&
                                         near(out.g_weights, expected.g_weights, tolerance)));
        const bool same = run(inputs, 3, bfloat16) == out && run(inputs, 8, bfloat16) == out;
        if (right && same) continue;
        ++failures;
        std::printf("%s, %zu samples, %zu elements, %zu classes of %zu rows, %s: %s\n", isa.c_str(),
                    shape.samples, shape.dim, shape.classes, shape.parts, bfloat16 ? "bfloat16" : "float32",
                    right ? "threads give other bytes" : "wrong");
      }
    }
  }
  std::printf("%d failures\n", failures);
  return failures == 0 ? 0 : 1;
}
