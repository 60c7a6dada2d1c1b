// Eight lanes of AVX2, FMA and F16C; see lanes.hpp.
#pragma once

#include <immintrin.h>

#include "kernels/kernels.hpp"

namespace fr_tf_ops {
namespace {

struct Lanes {
  static constexpr std::size_t kWidth = 8;
  using Mask = __m256;

  __m256 v;

  static Lanes all(float value) { return {_mm256_set1_ps(value)}; }
  static Lanes load(const float* p) { return {_mm256_loadu_ps(p)}; }
  static Lanes load(const Bfloat16* p) {
    const __m256i wide = _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
    return {_mm256_castsi256_ps(_mm256_slli_epi32(wide, 16))};
  }
  static Lanes load(const Half* p) {
    return {_mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)))};
  }
  static Mask equal(const std::int32_t* labels, std::int32_t label) {
    const __m256i eight = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(labels));
    return _mm256_castsi256_ps(_mm256_cmpeq_epi32(eight, _mm256_set1_epi32(label)));
  }

  void store(float* p) const { _mm256_storeu_ps(p, v); }
  void store(Bfloat16* p) const {
    const __m256i bits = _mm256_castps_si256(v);
    const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    const __m256i nearest = _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
    const __m256i quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x400000));
    const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(v, v, _CMP_UNORD_Q));
    const __m256i high = _mm256_srli_epi32(_mm256_blendv_epi8(nearest, quiet, nan), 16);
    const __m128i packed = _mm_packus_epi32(_mm256_castsi256_si128(high), _mm256_extracti128_si256(high, 1));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), packed);
  }
  void store(Half* p) const {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
  }
  void stream(float* p) const { _mm256_stream_ps(p, v); }
  template <typename T>
  void stream(T* p) const {
    store(p);
  }
  float sum() const {
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
  }
};

inline Lanes operator+(Lanes a, Lanes b) { return {_mm256_add_ps(a.v, b.v)}; }
inline Lanes operator-(Lanes a, Lanes b) { return {_mm256_sub_ps(a.v, b.v)}; }
inline Lanes operator*(Lanes a, Lanes b) { return {_mm256_mul_ps(a.v, b.v)}; }
inline Lanes operator/(Lanes a, Lanes b) { return {_mm256_div_ps(a.v, b.v)}; }
inline Lanes fma(Lanes a, Lanes b, Lanes c) { return {_mm256_fmadd_ps(a.v, b.v, c.v)}; }
inline Lanes max(Lanes a, Lanes b) { return {_mm256_max_ps(a.v, b.v)}; }
inline Lanes min(Lanes a, Lanes b) { return {_mm256_min_ps(a.v, b.v)}; }
inline Lanes sqrt(Lanes a) { return {_mm256_sqrt_ps(a.v)}; }
inline Lanes round(Lanes a) { return {_mm256_round_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)}; }

// In two steps, as half an exponent's range is what a float can be multiplied by.
inline Lanes times_power_of_two(Lanes a, Lanes exponent) {
  const auto power = [](__m256i whole) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(whole, _mm256_set1_epi32(127)), 23));
  };
  const __m256i whole = _mm256_cvtps_epi32(exponent.v);
  const __m256i half = _mm256_srai_epi32(whole, 1);
  return {_mm256_mul_ps(_mm256_mul_ps(a.v, power(half)), power(_mm256_sub_epi32(whole, half)))};
}
inline __m256 greater(Lanes a, Lanes b) { return _mm256_cmp_ps(a.v, b.v, _CMP_GT_OQ); }
inline __m256 equal(Lanes a, Lanes b) { return _mm256_cmp_ps(a.v, b.v, _CMP_EQ_OQ); }
inline __m256 is_nan(Lanes a) { return _mm256_cmp_ps(a.v, a.v, _CMP_UNORD_Q); }
inline bool any(__m256 mask) { return _mm256_movemask_ps(mask) != 0; }
inline bool all(__m256 mask) { return _mm256_movemask_ps(mask) == 0xff; }
inline Lanes select(__m256 mask, Lanes yes, Lanes no) { return {_mm256_blendv_ps(no.v, yes.v, mask)}; }

// Sums of squares in float64.
class Squares {
 public:
  void add(Lanes a) {
    const __m256d low = _mm256_cvtps_pd(_mm256_castps256_ps128(a.v));
    const __m256d high = _mm256_cvtps_pd(_mm256_extractf128_ps(a.v, 1));
    low_ = _mm256_fmadd_pd(low, low, low_);
    high_ = _mm256_fmadd_pd(high, high, high_);
  }
  double total() const {
    const __m256d four = _mm256_add_pd(low_, high_);
    const __m128d two = _mm_add_pd(_mm256_castpd256_pd128(four), _mm256_extractf128_pd(four, 1));
    return _mm_cvtsd_f64(two) + _mm_cvtsd_f64(_mm_unpackhi_pd(two, two));
  }

 private:
  __m256d low_ = _mm256_setzero_pd();
  __m256d high_ = _mm256_setzero_pd();
};

// Orders streamed stores before whatever tells another thread that they are there.
inline void finish_streams() { _mm_sfence(); }

}  // namespace
}  // namespace fr_tf_ops
