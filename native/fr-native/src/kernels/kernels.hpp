// Kernels, one source per instruction set, chosen once at run time.
//
// A tile bounds the scores of a few queries against one panel of gallery rows from int8 dot products; tiles
// only ever decide which rows must be scored, so their rounding never shows in a result. Row kernels score.
//
// Numerics.
//   tile_i8       exact int32 sums of products of whole numbers in [-127, 127]; then in float32
//                 scale * row_scale * sum + norm * row_error + residual * row_residual + error, at most 8
//                 roundings of numbers below 2, which `error` has room for.
//   score_f64     dot product of a unit row and a row divided by its norm, of elements
//                 float32(y * inverse_norm): kLanes float64 accumulators, lane l summing elements l, l +
//                 kLanes, ..., lanes added pairwise, l with l + half. A float32 product is exact in float64,
//                 so fused and separate multiply-adds agree and every kernel returns the same bytes.
//   squares_f64   the sum of squares of a row, in the same lanes.
//   unit_f32      float32(y * inverse_norm) of each element, product in float64.
//   dot_f32       float32 accumulators in any order: within dot_error(dim) |x| |y| of the truth as long as
//                 nothing under- or overflows.
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

#ifdef __GNUC__
#define FR_PREFETCH(address) __builtin_prefetch(address, 0, 2)
#else
#define FR_PREFETCH(address) static_cast<void>(address)
#endif

namespace fr {

constexpr std::size_t kLanes = 16;
constexpr std::size_t kPanelRows = 32;
constexpr std::size_t kMaxTileRows = 12;

// What turns the integer dot product of a quantised query into a bound of its score; see quantise.hpp.
struct QueryBound {
  float scale = 0;
  float norm = 0;
  float residual = 0;
  float error = 0;
  std::int32_t offset = 0;  // what a sum over stored gallery bytes exceeds the wanted one by
};

// The rows of a panel.
struct PanelRows {
  const std::uint8_t* bytes;  // [dim / 4][kPanelRows][4], each 128 more than it means
  const float* scale;
  const float* error;
  const float* residual;
};

// For tile_rows queries: upper[r * kPanelRows + c] >= score(r, c), and bit c of reach[r] says whether it
// reaches floors[r]. `rows` is row-major, `dim` a multiple of kLanes.
using TileI8 = void (*)(const std::int8_t* rows, const PanelRows& panel, std::size_t dim,
                        const QueryBound* queries, const float* floors, float* upper, std::uint32_t* reach);

struct Tile {
  std::size_t rows;
  TileI8 bound;
};

struct RowKernels {
  double (*squares_f64)(const float* row, std::size_t dim);
  // Writes `dim` elements.
  void (*unit_f32)(const float* row, double inverse_norm, std::size_t dim, float* unit);
  // `unit` is padded with zeros to whole lanes; `row` has `dim` elements.
  double (*score_f64)(const float* unit, const float* row, double inverse_norm, std::size_t dim);
  float (*dot_f32)(const float* unit, const float* row, std::size_t dim);
  // Bit c: values[c] >= floor, for kPanelRows values.
  std::uint32_t (*reaching)(const float* values, float floor);
  // How many of `count` values are >= floor.
  std::size_t (*count_reaching)(const float* values, std::size_t count, float floor);
};

struct Kernels {
  const char* name;
  Tile tile;
  RowKernels row;
};

// gamma_n = n u / (1 - n u) for any order of n additions (Higham, Accuracy and Stability of Numerical
// Algorithms, 2002, section 3.1), widened for the rounding of unit rows and of the final float32 score.
float dot_error(std::size_t dim);

// The kernels in use: the best this CPU runs, or those that FR_NATIVE_ISA names.
const Kernels& kernels();

// Names of all kernels this CPU runs, slowest first.
std::vector<std::string> available_isas();

extern const Tile kTileGeneric;
extern const RowKernels kRowsGeneric;
#ifdef FR_X86_KERNELS
extern const Tile kTileAvx2;
extern const Tile kTileAvxVnni;
extern const Tile kTileAvx512Vnni;
extern const RowKernels kRowsAvx2;
extern const RowKernels kRowsAvx512;
#endif
#ifdef FR_NEON_KERNELS
extern const Tile kTileNeonDot;
#endif

}  // namespace fr
