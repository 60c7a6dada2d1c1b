// Functions of lanes, written once for every instruction set.
#pragma once

#include "kernels/lanes.hpp"

namespace fr_tf_ops {
namespace {

constexpr float kInfinity = __builtin_huge_valf();

// coefficients[0] x^(n - 1) + ... + coefficients[n - 1]
template <std::size_t n>
Lanes polynomial(const float (&coefficients)[n], Lanes x) {
  Lanes sum = Lanes::all(coefficients[0]);
  FR_UNROLL for (std::size_t i = 1; i < n; ++i) sum = fma(sum, x, Lanes::all(coefficients[i]));
  return sum;
}

// The larger of two, NaN where either is.
inline Lanes max_or_nan(Lanes a, Lanes b) { return select(is_nan(a), a, max(a, b)); }

// exp(x) = 2^n exp(r) with |r| <= log(2) / 2; the polynomial is Cephes' expf. Where a result is no normal
// float 2^n still is the right factor: the bounds of x lie beyond what float32 holds.
inline Lanes exp(Lanes x) {
  constexpr float kExp[] = {1.9875691500e-4f, 1.3981999507e-3f, 8.3334519073e-3f,
                            4.1665795894e-2f, 1.6666665459e-1f, 5.0000001201e-1f};
  x = min(Lanes::all(130.0f), max(Lanes::all(-150.0f), x));
  const Lanes n = round(x * Lanes::all(1.44269504088896341f));
  Lanes r = fma(n, Lanes::all(-0.693359375f), x);  // log(2) in two parts, n times the first one exact
  r = fma(n, Lanes::all(2.12194440e-4f), r);
  const Lanes rest = fma(polynomial(kExp, r), r * r, r + Lanes::all(1.0f));
  return times_power_of_two(rest, n);
}

// log(1 + x) = 2 artanh(x / (2 + x)) for x in [0, 1], by artanh's series, of which 1 / 15 3^-14 is left out.
inline Lanes log1p(Lanes x) {
  constexpr float kArtanh[] = {1.0f / 13, 1.0f / 11, 1.0f / 9, 1.0f / 7, 1.0f / 5, 1.0f / 3, 1.0f};
  const Lanes ratio = x / (x + Lanes::all(2.0f));
  return (ratio + ratio) * polynomial(kArtanh, ratio * ratio);
}

struct SoftplusAndSlope {
  Lanes softplus;  // log(1 + exp(x))
  Lanes sigmoid;   // 1 / (1 + exp(-x))
};

// Both from exp(-|x|), which never overflows.
inline SoftplusAndSlope softplus_and_slope(Lanes x) {
  const Lanes zero = Lanes::all(0.0f);
  const Lanes one = Lanes::all(1.0f);
  const Lanes small = exp(min(zero - x, x));
  const Lanes larger = one / (one + small);
  return {max(zero, x) + log1p(small), select(greater(zero, x), small * larger, larger)};
}

// arcsin for x in [-1, 1], Cephes' asinf: a polynomial of x up to 1/2. From there on one of
// sqrt((1 - x) / 2), the sine of half the angle that x is the cosine of.
inline Lanes asin(Lanes x) {
  constexpr float kAsin[] = {4.2163199048e-2f, 2.4181311049e-2f, 4.5470025998e-2f, 7.4953002686e-2f,
                             1.6666752422e-1f};
  const Lanes half = Lanes::all(0.5f);
  const Lanes size = max(Lanes::all(0.0f) - x, x);
  const Lanes::Mask far = greater(size, half);
  const Lanes square = select(far, (Lanes::all(1.0f) - size) * half, size * size);
  const Lanes near = select(far, sqrt(square), size);
  const Lanes angle = fma(polynomial(kAsin, square) * square, near, near);
  const Lanes positive = select(far, Lanes::all(1.57079632679489662f) - (angle + angle), angle);
  return select(greater(Lanes::all(0.0f), x), Lanes::all(0.0f) - positive, positive);
}

}  // namespace
}  // namespace fr_tf_ops
