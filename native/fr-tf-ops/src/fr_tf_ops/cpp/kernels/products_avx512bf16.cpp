#include "kernels/multiply_avx512.hpp"

namespace fr_tf_ops {
namespace {

// vdpbf16ps: 16 lanes of 2 products of bfloat16 each, added to float32.
struct MultiplyPairs {
  using Word = std::uint32_t;
  static __m512i broadcast(std::uint32_t word) { return _mm512_set1_epi32(static_cast<int>(word)); }
  static __m512 add(__m512i word, __m512i words, __m512 sums) {
    return _mm512_dpbf16_ps(sums, reinterpret_cast<__m512bh>(word), reinterpret_cast<__m512bh>(words));
  }
};

__m512i rounded16(const float* elements) {
  const __m256bh rounded = _mm512_cvtneps_pbh(_mm512_loadu_ps(elements));
  return _mm512_cvtepu16_epi32(reinterpret_cast<__m256i>(rounded));
}

// Whole lanes; the caller pads.
void pair_row(const float* row, std::size_t elements, void* words) {
  auto* pairs = static_cast<std::uint16_t*>(words);
  for (std::size_t i = 0; i < elements; i += 16) {
    const __m256bh rounded = _mm512_cvtneps_pbh(_mm512_loadu_ps(row + i));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(pairs + i), reinterpret_cast<__m256i>(rounded));
  }
}

void pair_rows(const float* rows, std::size_t stride, std::size_t elements, void* words) {
  auto* pairs = static_cast<std::uint32_t*>(words);
  for (std::size_t i = 0; i < elements; i += 16) {
    const __m512i high = _mm512_slli_epi32(rounded16(rows + stride + i), 16);
    _mm512_storeu_si512(pairs + i, _mm512_or_si512(rounded16(rows + i), high));
  }
}

}  // namespace

const Products kPairsAvx512Bf16 = {2,
                                   false,
                                   pair_row,
                                   pair_rows,
                                   multiply<MultiplyPairs, Along, false>,
                                   multiply<MultiplyPairs, Across, true>};

}  // namespace fr_tf_ops
