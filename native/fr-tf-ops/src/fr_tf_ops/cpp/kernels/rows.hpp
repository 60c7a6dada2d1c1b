// Rows of classes: their unit rows, the gradients that come back to them, and their sub-centres.
#pragma once

#include <cstring>
#include <type_traits>

#include "kernels/functions.hpp"

namespace fr_tf_ops {
namespace {

constexpr double kSmallestNorm = 1e-6;

// Calls use(first, elements) for each kWidth elements, the last ones padded with zeros.
template <typename T, typename Use>
void for_each_lanes(const T* row, std::size_t dim, const Use& use) {
  const std::size_t whole = dim / Lanes::kWidth * Lanes::kWidth;
  for (std::size_t d = 0; d < whole; d += Lanes::kWidth) use(d, Lanes::load(row + d));
  if (whole == dim) return;
  T tail[Lanes::kWidth] = {};
  std::memcpy(tail, row + whole, (dim - whole) * sizeof(T));
  use(whole, Lanes::load(tail));
}

template <typename T>
void unit_rows_of(const T* rows, std::size_t count, std::size_t dim, float* unit, std::size_t stride,
                  float* inverse) {
  for (std::size_t r = 0; r < count; ++r, rows += dim, unit += stride) {
    Squares squares;
    for_each_lanes(rows, dim, [&](std::size_t, Lanes elements) { squares.add(elements); });
    const double norm = __builtin_sqrt(squares.total());
    inverse[r] = static_cast<float>(1.0 / (norm < kSmallestNorm ? kSmallestNorm : norm));
    const Lanes factor = Lanes::all(inverse[r]);
    std::size_t end = 0;
    for_each_lanes(rows, dim, [&](std::size_t d, Lanes elements) {
      (elements * factor).store(unit + d);
      end = d + Lanes::kWidth;
    });
    for (std::size_t d = end; d < stride; ++d) unit[d] = 0.0f;
  }
}

// Both are padded with zeros to whole panels.
inline float dot(const float* a, const float* b, std::size_t dim) {
  constexpr std::size_t kSums = kPanel / Lanes::kWidth;
  Lanes sums[kSums];
  FR_UNROLL for (Lanes& sum : sums) sum = Lanes::all(0.0f);
  for (std::size_t d = 0; d < dim; d += kPanel) {
    FR_UNROLL for (std::size_t i = 0; i < kSums; ++i) {
      const std::size_t at = d + i * Lanes::kWidth;
      sums[i] = fma(Lanes::load(a + at), Lanes::load(b + at), sums[i]);
    }
  }
  FR_UNROLL for (std::size_t i = 1; i < kSums; ++i) sums[0] = sums[0] + sums[i];
  return sums[0].sum();
}

// Whole rows of float32 that begin on a boundary of lanes go past the caches: nobody reads them soon.
template <typename T>
void project_rows_of(const float* g_unit, const float* unit, std::size_t stride, const float* inverse,
                     std::size_t count, std::size_t dim, T* g_rows) {
  const std::size_t whole = dim / Lanes::kWidth * Lanes::kWidth;
  const std::uintptr_t misaligned =
      reinterpret_cast<std::uintptr_t>(g_rows) % (Lanes::kWidth * sizeof(float));
  const bool streams = whole == dim && misaligned == 0;
  for (std::size_t r = 0; r < count; ++r, g_unit += stride, unit += stride, g_rows += dim) {
    const Lanes along = Lanes::all(dot(unit, g_unit, dim));
    const Lanes factor = Lanes::all(inverse[r]);
    const auto gradient = [&](std::size_t d) {
      return (Lanes::load(g_unit + d) - Lanes::load(unit + d) * along) * factor;
    };
    if (streams) {
      for (std::size_t d = 0; d < dim; d += Lanes::kWidth) gradient(d).stream(g_rows + d);
      continue;
    }
    for (std::size_t d = 0; d < whole; d += Lanes::kWidth) gradient(d).store(g_rows + d);
    if (whole < dim) {
      T tail[Lanes::kWidth];
      gradient(whole).store(tail);
      std::memcpy(g_rows + whole, tail, (dim - whole) * sizeof(T));
    }
  }
  finish_streams();
}

// Calls use(pointer to elements of the rows' type).
template <typename Use>
void with_type(RowType type, const void* data, const Use& use) {
  switch (type) {
    case RowType::kFloat32:
      return use(static_cast<const float*>(data));
    case RowType::kBfloat16:
      return use(static_cast<const Bfloat16*>(data));
    case RowType::kHalf:
      return use(static_cast<const Half*>(data));
  }
}

inline void unit_rows(const Rows& rows, float* unit, std::size_t stride, float* inverse) {
  with_type(rows.type, rows.data,
            [&](const auto* data) { unit_rows_of(data, rows.count, rows.dim, unit, stride, inverse); });
}

inline void project_rows(const float* g_unit, const float* unit, std::size_t stride, const float* inverse,
                         const Rows& shape, void* g_rows) {
  with_type(shape.type, g_rows, [&](const auto* data) {
    using T = std::remove_cv_t<std::remove_pointer_t<decltype(data)>>;
    project_rows_of(g_unit, unit, stride, inverse, shape.count, shape.dim, static_cast<T*>(g_rows));
  });
}

// The largest of a class's parts, whose rows begin at `first`.
inline Lanes largest_part(const float* first, std::size_t parts, std::size_t stride) {
  Lanes largest = Lanes::load(first);
  for (std::size_t k = 1; k < parts; ++k) largest = max_or_nan(Lanes::load(first + k * stride), largest);
  return largest;
}

inline void largest_parts(const Tile& of_parts, std::size_t parts, const Tile& of_classes) {
  for (std::size_t j = 0; j < of_classes.classes; ++j) {
    const float* first = of_parts.cosines + j * parts * of_parts.stride;
    float* to = of_classes.cosines + j * of_classes.stride;
    for (std::size_t b = 0; b < of_classes.samples; b += Lanes::kWidth) {
      largest_part(first + b, parts, of_parts.stride).store(to + b);
    }
  }
}

// What no other part took goes to the last one, so that NaN, which equals nothing, is not lost.
inline void spread_to_parts(const Tile& of_parts, std::size_t parts, const Tile& of_classes) {
  const Lanes zero = Lanes::all(0.0f);
  for (std::size_t j = 0; j < of_classes.classes; ++j) {
    float* first = of_parts.cosines + j * parts * of_parts.stride;
    for (std::size_t b = 0; b < of_classes.samples; b += Lanes::kWidth) {
      const Lanes largest = largest_part(first + b, parts, of_parts.stride);
      Lanes left = Lanes::load(of_classes.cosines + j * of_classes.stride + b);
      for (std::size_t k = 0; k + 1 < parts; ++k) {
        float* at = first + k * of_parts.stride + b;
        const Lanes::Mask takes = equal(Lanes::load(at), largest);
        select(takes, left, zero).store(at);
        left = select(takes, zero, left);
      }
      left.store(first + (parts - 1) * of_parts.stride + b);
    }
  }
}

}  // namespace
}  // namespace fr_tf_ops
