#include "own_cosines.hpp"

#include <algorithm>
#include <cmath>

namespace fr_tf_ops {
namespace {

constexpr double kSmallestNorm = 1e-6;

template <typename T>
double cosine(const float* x, const T* row, std::size_t dim) {
  double dot = 0;
  double squares = 0;
  for (std::size_t d = 0; d < dim; ++d) {
    const double element = to_float(row[d]);
    dot += x[d] * element;
    squares += element * element;
  }
  return dot / std::max(std::sqrt(squares), kSmallestNorm);
}

template <typename T>
void own_cosines_of(const Problem& problem, const T* weights, float* target) {
  for (std::size_t b = 0; b < problem.samples; ++b) {
    const T* row = weights + static_cast<std::size_t>(problem.labels[b]) * problem.parts * problem.dim;
    const float* x = problem.x + b * problem.dim;
    double largest = cosine(x, row, problem.dim);
    for (std::size_t k = 1; k < problem.parts; ++k) {
      const double next = cosine(x, row + k * problem.dim, problem.dim);
      if (next > largest || std::isnan(next)) largest = next;
    }
    target[b] = static_cast<float>(largest);
  }
}

}  // namespace

void own_cosines(const Problem& problem, float* target) {
  switch (problem.type) {
    case RowType::kFloat32:
      return own_cosines_of(problem, static_cast<const float*>(problem.weights), target);
    case RowType::kBfloat16:
      return own_cosines_of(problem, static_cast<const Bfloat16*>(problem.weights), target);
    case RowType::kHalf:
      return own_cosines_of(problem, static_cast<const Half*>(problem.weights), target);
  }
}

}  // namespace fr_tf_ops
