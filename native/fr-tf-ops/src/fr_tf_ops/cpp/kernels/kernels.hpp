// Kernels, one source per instruction set, chosen once a call at run time (dispatch.hpp).
//
// Words. The operands of matrix products are arrays of 32-bit words. A word is one float32 or, where the CPU
// multiplies pairs of bfloat16, two of them that are neighbours along the depth of the product (the dimension
// that is summed over). `group` is the number of elements in a word.
//
// Numerics.
//   multiply_along    float32 accumulators, depth in order; a word of two adds both products at once.
//   add_across        the same.
//   bfloat16          operands rounded to nearest, ties to even. Stored as pairs or, where the CPU has no
//                     instruction for these, as float32: the same numbers up to the order of sums.
//   unit_rows         sums of squares in float64, so that no norm over- or underflows; elements float32.
//   project_rows      float32.
//   exp               a polynomial in float32, within 1.3 ulp; log1p and asin within 3.
//   sums of a tile    float32 over its classes; callers add tiles in float64.
// NaN in gives NaN out: `largest` keeps a NaN that it has met.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/small_floats.hpp"

// Full unrolling, without which GCC keeps arrays of accumulators in memory.
#ifdef __GNUC__
#define FR_UNROLL _Pragma("GCC unroll 16")
#else
#define FR_UNROLL
#endif

namespace fr_tf_ops {

// Columns that a product makes at a time, and what the sizes of padded buffers are multiples of.
constexpr std::size_t kPanel = 32;
// What numbers of rows of a product are multiples of.
constexpr std::size_t kRowStep = 4;

// A matrix of words; `stride` words from one row to the next.
struct Words {
  const void* data;
  std::size_t stride;
};

// What is read from memory next. A step of a product touches one line, which comes into the second-level
// cache behind the arithmetic.
struct Ahead {
  const char* next;
  const char* end;
};

constexpr std::size_t kCacheLine = 64;

struct Products {
  std::size_t group;
  // True where float32 rows are words as they are, and the two functions below only copy.
  bool plain;
  // words[w] holds elements group * w, ... of one row: a row along the depth.
  void (*along)(const float* row, std::size_t elements, void* words);
  // words[i] holds element i of `group` rows, `stride` floats apart: rows across the depth.
  void (*across)(const float* rows, std::size_t stride, std::size_t elements, void* words);
  // sums[i][j] = sum over k of a[i][k] b[k][j], for i < rows, k < depth (in words), j < kPanel.
  void (*multiply_along)(std::size_t rows, std::size_t depth, Words a, Words b, float* sums,
                         std::size_t stride, Ahead& ahead);
  // sums[i][j] += sum over k of a[k][i] b[k][j].
  void (*add_across)(std::size_t rows, std::size_t depth, Words a, Words b, float* sums, std::size_t stride,
                     Ahead& ahead);
};

enum class RowType { kFloat32, kBfloat16, kHalf };

// `count` rows of `dim` elements, side by side in memory.
struct Rows {
  const void* data;
  RowType type;
  std::size_t count;
  std::size_t dim;
};

// Cosines of classes, a row each, with samples, a column each: lanes are samples, so that sums over classes
// need no sum over lanes. `samples` is a multiple of kPanel.
struct Tile {
  float* cosines;
  std::size_t stride;
  std::size_t samples;
  std::size_t classes;
  std::int32_t first_class;
};

enum class NegativesKind { kCosine, kHard, kDrop, kAngle };

constexpr bool has_thresholds(NegativesKind kind) {
  return kind == NegativesKind::kHard || kind == NegativesKind::kDrop;
}

// What becomes of cosines of classes that are not the sample's own; see negatives.hpp.
struct Negatives {
  NegativesKind kind;
  const float* thresholds;  // of each sample, for kHard and kDrop
  float hardness;
};

// Own classes are left out of all of these. `peak` and `largest` go from tile to tile; `shares` and `total`
// are of one tile, `shares` relative to exp(peak).
struct SoftmaxSums {
  const std::int32_t* labels;
  float scale;
  Negatives negatives;
  float* peak;     // largest logit
  float* largest;  // largest cosine
  float* shares;   // sum of exp(logit - peak)
  float* total;    // sum of logits
};

struct SoftmaxSlopes {
  const std::int32_t* labels;
  float scale;
  Negatives negatives;
  const float* log_sum_exp;
  const float* g_target;
  const float* g_log_sum_exp;
  const float* g_total;
  // kept[j] is set where class j is a sample's own or has a share of skip_below or more; 0 keeps all.
  float skip_below;
  std::uint8_t* kept;
};

struct UnifiedSums {
  const std::int32_t* labels;
  float scale;
  float bias;
  float* largest;
  float* softplus;  // sum of softplus(scale c - bias), of one tile
  float* sigmoid;   // sum of their derivatives, of one tile
};

struct UnifiedSlopes {
  const std::int32_t* labels;
  float scale;
  float bias;
  const float* g_target;
  const float* g_softplus;
};

struct Elementwise {
  // unit[r] = row r / max(norm, 1e-6), up to `stride` elements padded with zeros; inverse[r] = 1 / that norm.
  void (*unit_rows)(const Rows& rows, float* unit, std::size_t stride, float* inverse);
  // Gradients of rows, in their type, from those of unit rows: inverse (g - unit (unit . g)).
  void (*project_rows)(const float* g_unit, const float* unit, std::size_t stride, const float* inverse,
                       const Rows& shape, void* g_rows);
  // The cosine of a class: the largest of its `parts` rows in `of_parts`.
  void (*largest_parts)(const Tile& of_parts, std::size_t parts, const Tile& of_classes);
  // The gradient of a class's cosine goes to the first part that has the largest one; the others get 0.
  void (*spread_to_parts)(const Tile& of_parts, std::size_t parts, const Tile& of_classes);
  void (*softmax_sums)(const Tile& tile, const SoftmaxSums& sums);
  // Turns cosines into their gradients.
  void (*softmax_slopes)(const Tile& tile, const SoftmaxSlopes& slopes);
  void (*unified_sums)(const Tile& tile, const UnifiedSums& sums);
  void (*unified_slopes)(const Tile& tile, const UnifiedSlopes& slopes);
};

struct Kernels {
  const char* name;
  const Products* float32;
  const Products* bfloat16;
  const Elementwise* elementwise;
};

extern const Products kFloat32Generic;
extern const Products kBfloat16Generic;
extern const Elementwise kElementwiseGeneric;
#ifdef FR_X86_KERNELS
extern const Products kFloat32Avx2;
extern const Products kBfloat16Avx2;
extern const Elementwise kElementwiseAvx2;
extern const Products kFloat32Avx512;
extern const Products kBfloat16Avx512;
extern const Products kPairsAvx512Bf16;
extern const Elementwise kElementwiseAvx512;
#endif

}  // namespace fr_tf_ops
