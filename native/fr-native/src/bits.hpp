// Sets of the rows of a panel as bits of a word.
#pragma once

#include <cstddef>
#include <cstdint>

#ifdef _MSC_VER
#include <intrin.h>
#endif

namespace fr {

inline std::size_t lowest_bit(std::uint32_t bits) {
#ifdef _MSC_VER
  unsigned long at;
  _BitScanForward(&at, bits);
  return at;
#else
  return static_cast<std::size_t>(__builtin_ctz(bits));
#endif
}

inline std::int64_t bit_count(std::uint32_t bits) {
#ifdef _MSC_VER
  bits -= (bits >> 1) & 0x55555555u;
  bits = (bits & 0x33333333u) + ((bits >> 2) & 0x33333333u);
  return ((bits + (bits >> 4)) & 0x0f0f0f0fu) * 0x01010101u >> 24;
#else
  return __builtin_popcount(bits);
#endif
}

// Bits [begin, end) of a panel, for numbers that may lie outside it.
inline std::uint32_t bit_range(std::ptrdiff_t begin, std::ptrdiff_t end) {
  const auto below = [](std::ptrdiff_t n) {
    if (n <= 0) return std::uint32_t{0};
    return n >= 32 ? ~std::uint32_t{0} : (std::uint32_t{1} << n) - 1;
  };
  return end <= begin ? 0 : below(end) & ~below(begin);
}

template <typename Visit>
void for_each_bit(std::uint32_t bits, const Visit& visit) {
  for (; bits != 0; bits &= bits - 1) visit(lowest_bit(bits));
}

}  // namespace fr
