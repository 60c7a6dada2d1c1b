#include "kernels/multiply_avx512.hpp"
#include "kernels/rounding.hpp"

namespace fr_tf_ops {
namespace {

struct MultiplyFloats {
  using Word = float;
  static __m512 broadcast(float word) { return _mm512_set1_ps(word); }
  static __m512 add(__m512 word, __m512i words, __m512 sums) {
    return _mm512_fmadd_ps(word, _mm512_castsi512_ps(words), sums);
  }
};

constexpr auto multiply_along_f32_avx512 = multiply<MultiplyFloats, Along, false>;
constexpr auto add_across_f32_avx512 = multiply<MultiplyFloats, Across, true>;

}  // namespace

const Products kFloat32Avx512 = {
    1, true, copy_row, copy_rows, multiply_along_f32_avx512, add_across_f32_avx512};
const Products kBfloat16Avx512 = {
    1, false, round_row, round_rows, multiply_along_f32_avx512, add_across_f32_avx512};

}  // namespace fr_tf_ops
