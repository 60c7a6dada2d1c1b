// Dot-product kernels, one source per instruction set, chosen once at run time.
//
// Numerics. Inputs are float32 rows padded with zeros to a multiple of kLanes.
//   dot_f64   float64 accumulators, kLanes of them, lane l summing elements l, l + kLanes, ...;
//             lanes are added pairwise, l with l + half. A float32 product is exact in float64, so fused
//             and separate multiply-adds agree and every kernel returns the same bytes.
//   tile_f32  float32 accumulators in any order: |sum - exact| <= tile_error(dim) for unit rows.
//   tile_i8   exact int32 sums of int8 x uint8 products, dim * 255 * 127 below 2^31; then in float32
//             scale * row_scale * (sum - offset) + norm * row_error + error, at most 5 roundings of numbers
//             below 2, which `error` has room for.
// Tiles only ever decide which rows dot_f64 must score.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

// Full unrolling, without which GCC keeps arrays of accumulators in memory.
#ifdef __GNUC__
#define FR_UNROLL _Pragma("GCC unroll 16")
#else
#define FR_UNROLL
#endif

namespace fr {

constexpr std::size_t kLanes = 16;
constexpr std::size_t kPanelRows = 32;
constexpr std::size_t kMaxTileRows = 12;

// What turns the integer dot product of a quantised query into a bound of its score; see quantise.hpp.
struct QueryBound {
  float scale = 0;
  float norm = 0;
  float error = 0;
  std::int32_t offset = 0;
};

// Tiles bound the scores of tile_rows queries against one panel of kPanelRows gallery rows:
// upper[r * kPanelRows + c] >= score(r, c), and bit c of reach[r] says whether it reaches floors[r].
struct Kernels {
  const char* name;
  std::size_t tile_rows;
  // `rows` is row-major with `dim` floats a row; `panel` is [dim][kPanelRows].
  void (*tile_f32)(const float* rows, const float* panel, std::size_t dim, float error, const float* floors,
                   float* upper, std::uint32_t* reach);
  double (*dot_f64)(const float* a, const float* b, std::size_t dim);
  // Null where float32 tiles are faster. `panel` is [dim / 4][kPanelRows][4].
  void (*tile_i8)(const std::int8_t* rows, const std::uint8_t* panel, std::size_t dim,
                  const QueryBound* queries, const float* row_scale, const float* row_error,
                  const float* floors, float* upper, std::uint32_t* reach);
};

// Largest error of tile_f32 on rows of unit norm: gamma_n = n u / (1 - n u) for any order of n
// additions (Higham, Accuracy and Stability of Numerical Algorithms, 2002, section 3.1), widened for the
// rounding of the unit rows themselves and of the final float32 score.
double tile_error(std::size_t dim);

// The kernels in use: the best this CPU runs, or the one that FR_NATIVE_ISA names.
const Kernels& kernels();

// Names of all kernels this CPU runs, slowest first.
std::vector<std::string> available_isas();

extern const Kernels kGenericKernels;
extern const Kernels kGenericInt8Kernels;
#ifdef FR_X86_KERNELS
extern const Kernels kAvx2Kernels;
extern const Kernels kAvxVnniKernels;
extern const Kernels kAvx512Kernels;
extern const Kernels kAvx512VnniKernels;
#endif

}  // namespace fr
