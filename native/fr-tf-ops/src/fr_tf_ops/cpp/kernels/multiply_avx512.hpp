// Products by tiles of 12 rows and 32 columns in 24 registers of 512 bits, shared by the sources for float32
// and for pairs of bfloat16. A step of the depth loads 2 registers and broadcasts 12 words for 24
// multiply-adds: fewer loads than caches give, even where columns come from the second level.
#pragma once

#include <immintrin.h>

#include "kernels/kernels.hpp"

namespace fr_tf_ops {
namespace {

constexpr std::size_t kTileRows = 12;

// Words of rows along the depth; each third row has a pointer, from which addressing reaches two more.
template <typename Word, std::size_t rows>
class Along {
 public:
  Along(Words a, std::size_t first) : stride_(static_cast<std::ptrdiff_t>(a.stride)) {
    for (std::size_t i = 0; i < rows; i += 3) {
      third_[i / 3] = static_cast<const Word*>(a.data) + (first + i) * a.stride;
    }
  }
  Word operator[](std::size_t i) const { return third_[i / 3][static_cast<std::ptrdiff_t>(i % 3) * stride_]; }
  void advance() { FR_UNROLL for (const Word*& row : third_) row += 1; }

 private:
  const Word* third_[(rows + 2) / 3];
  std::ptrdiff_t stride_;
};

// Words of rows across the depth.
template <typename Word, std::size_t rows>
class Across {
 public:
  Across(Words a, std::size_t first) : at_(static_cast<const Word*>(a.data) + first), stride_(a.stride) {}
  Word operator[](std::size_t i) const { return at_[i]; }
  void advance() { at_ += stride_; }

 private:
  const Word* at_;
  std::size_t stride_;
};

// Multiply::add(word, words, sums) adds products of one word with 16.
template <typename Multiply, typename A, std::size_t rows, bool adds>
inline void tile(A a, Words b, std::size_t depth, float* sums, std::size_t stride, Ahead& ahead) {
  __m512 sum[rows][2];
  FR_UNROLL for (auto& row : sum) row[0] = row[1] = _mm512_setzero_ps();
  if constexpr (adds) {
    FR_UNROLL for (std::size_t i = 0; i < rows; ++i) {
      _mm_prefetch(reinterpret_cast<const char*>(sums + i * stride), _MM_HINT_T0);
      _mm_prefetch(reinterpret_cast<const char*>(sums + i * stride + 16), _MM_HINT_T0);
    }
  }
  const char* next = ahead.next;
  auto columns = static_cast<const typename Multiply::Word*>(b.data);
  for (std::size_t k = 0; k < depth; ++k, columns += b.stride, a.advance()) {
    _mm_prefetch(next, _MM_HINT_T1);
    next += next < ahead.end ? kCacheLine : 0;
    const __m512i low = _mm512_loadu_si512(columns);
    const __m512i high = _mm512_loadu_si512(columns + 16);
    FR_UNROLL for (std::size_t i = 0; i < rows; ++i) {
      const auto word = Multiply::broadcast(a[i]);
      sum[i][0] = Multiply::add(word, low, sum[i][0]);
      sum[i][1] = Multiply::add(word, high, sum[i][1]);
    }
  }
  ahead.next = next;
  FR_UNROLL for (std::size_t i = 0; i < rows; ++i, sums += stride) {
    if constexpr (adds) {
      sum[i][0] = _mm512_add_ps(_mm512_loadu_ps(sums), sum[i][0]);
      sum[i][1] = _mm512_add_ps(_mm512_loadu_ps(sums + 16), sum[i][1]);
    }
    _mm512_storeu_ps(sums, sum[i][0]);
    _mm512_storeu_ps(sums + 16, sum[i][1]);
  }
}

template <typename Multiply, template <typename, std::size_t> class A, bool adds>
void multiply(std::size_t rows, std::size_t depth, Words a, Words b, float* sums, std::size_t stride,
              Ahead& ahead) {
  using Word = typename Multiply::Word;
  std::size_t i = 0;
  for (; i + kTileRows <= rows; i += kTileRows) {
    tile<Multiply, A<Word, 12>, 12, adds>(A<Word, 12>(a, i), b, depth, sums + i * stride, stride, ahead);
  }
  if (rows - i == 8) {
    tile<Multiply, A<Word, 8>, 8, adds>(A<Word, 8>(a, i), b, depth, sums + i * stride, stride, ahead);
  } else if (rows - i == 4) {
    tile<Multiply, A<Word, 4>, 4, adds>(A<Word, 4>(a, i), b, depth, sums + i * stride, stride, ahead);
  }
}

}  // namespace
}  // namespace fr_tf_ops
