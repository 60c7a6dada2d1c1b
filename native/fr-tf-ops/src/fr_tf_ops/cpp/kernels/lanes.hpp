// The lanes of the instruction set that a source is compiled for. Everything is in unnamed namespaces: no
// instruction of one set may end up in code for every CPU.
//   Lanes         kWidth floats: load (float, Bfloat16, Half), store, stream, all, sum, arithmetic, fma,
//   sqrt,
//                 round, times_power_of_two; max and min return their second argument where either is NaN
//   Lanes::Mask   of equal, greater, is_nan; any, all, select
//   Squares       sums of squares in float64
#pragma once

#if defined(__AVX512F__)
#include "kernels/lanes_avx512.hpp"
#elif defined(__AVX2__)
#include "kernels/lanes_avx2.hpp"
#else
#include "kernels/lanes_scalar.hpp"
#endif
