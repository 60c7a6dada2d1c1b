// Sixteen lanes of AVX-512F; see lanes.hpp.
#pragma once

#include <immintrin.h>

#include "kernels/kernels.hpp"

namespace fr_tf_ops {
namespace {

struct Lanes {
  static constexpr std::size_t kWidth = 16;
  using Mask = __mmask16;

  __m512 v;

  static Lanes all(float value) { return {_mm512_set1_ps(value)}; }
  static Lanes load(const float* p) { return {_mm512_loadu_ps(p)}; }
  static Lanes load(const Bfloat16* p) {
    const __m512i wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
    return {_mm512_castsi512_ps(_mm512_slli_epi32(wide, 16))};
  }
  static Lanes load(const Half* p) {
    return {_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)))};
  }
  static Mask equal(const std::int32_t* labels, std::int32_t label) {
    return _mm512_cmpeq_epi32_mask(_mm512_loadu_si512(labels), _mm512_set1_epi32(label));
  }

  void store(float* p) const { _mm512_storeu_ps(p, v); }
  void store(Bfloat16* p) const {
    const __m512i bits = _mm512_castps_si512(v);
    const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    const __m512i nearest = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
    const __m512i quiet = _mm512_or_si512(bits, _mm512_set1_epi32(0x400000));
    const __mmask16 nan = _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q);
    const __m512i high = _mm512_srli_epi32(_mm512_mask_mov_epi32(nearest, nan, quiet), 16);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtepi32_epi16(high));
  }
  void store(Half* p) const {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
  }
  void stream(float* p) const { _mm512_stream_ps(p, v); }
  template <typename T>
  void stream(T* p) const {
    store(p);
  }
  float sum() const { return _mm512_reduce_add_ps(v); }
};

inline Lanes operator+(Lanes a, Lanes b) { return {_mm512_add_ps(a.v, b.v)}; }
inline Lanes operator-(Lanes a, Lanes b) { return {_mm512_sub_ps(a.v, b.v)}; }
inline Lanes operator*(Lanes a, Lanes b) { return {_mm512_mul_ps(a.v, b.v)}; }
inline Lanes operator/(Lanes a, Lanes b) { return {_mm512_div_ps(a.v, b.v)}; }
inline Lanes fma(Lanes a, Lanes b, Lanes c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
inline Lanes max(Lanes a, Lanes b) { return {_mm512_max_ps(a.v, b.v)}; }
inline Lanes min(Lanes a, Lanes b) { return {_mm512_min_ps(a.v, b.v)}; }
inline Lanes sqrt(Lanes a) { return {_mm512_sqrt_ps(a.v)}; }
inline Lanes round(Lanes a) {
  return {_mm512_roundscale_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
}
inline Lanes times_power_of_two(Lanes a, Lanes exponent) { return {_mm512_scalef_ps(a.v, exponent.v)}; }
inline __mmask16 greater(Lanes a, Lanes b) { return _mm512_cmp_ps_mask(a.v, b.v, _CMP_GT_OQ); }
inline __mmask16 equal(Lanes a, Lanes b) { return _mm512_cmp_ps_mask(a.v, b.v, _CMP_EQ_OQ); }
inline __mmask16 is_nan(Lanes a) { return _mm512_cmp_ps_mask(a.v, a.v, _CMP_UNORD_Q); }
inline bool any(__mmask16 mask) { return mask != 0; }
inline bool all(__mmask16 mask) { return mask == 0xffff; }
inline Lanes select(__mmask16 mask, Lanes yes, Lanes no) { return {_mm512_mask_mov_ps(no.v, mask, yes.v)}; }

// Sums of squares in float64.
class Squares {
 public:
  void add(Lanes a) {
    const __m512d low = _mm512_cvtps_pd(_mm512_castps512_ps256(a.v));
    const __m512d high = _mm512_cvtps_pd(_mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(a.v), 1)));
    low_ = _mm512_fmadd_pd(low, low, low_);
    high_ = _mm512_fmadd_pd(high, high, high_);
  }
  double total() const { return _mm512_reduce_add_pd(_mm512_add_pd(low_, high_)); }

 private:
  __m512d low_ = _mm512_setzero_pd();
  __m512d high_ = _mm512_setzero_pd();
};

// Orders streamed stores before whatever tells another thread that they are there.
inline void finish_streams() { _mm_sfence(); }

}  // namespace
}  // namespace fr_tf_ops
