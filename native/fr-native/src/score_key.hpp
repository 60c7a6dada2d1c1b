// Order-preserving integer keys of floating-point scores: a < b exactly when key(a) < key(b), and the two
// zeros share one key.
#pragma once

#include <cstdint>
#include <cstring>

namespace fr {

template <typename Score>
struct KeyType;
template <>
struct KeyType<float> {
  using type = std::uint32_t;
};
template <>
struct KeyType<double> {
  using type = std::uint64_t;
};
template <typename Score>
using Key = typename KeyType<Score>::type;

template <typename Score>
constexpr Key<Score> kSignBit = Key<Score>{1} << (sizeof(Score) * 8 - 1);

template <typename Score>
inline Key<Score> key_of(Score score) {
  const Score value = score + Score{0};  // -0 + 0 = +0
  Key<Score> bits;
  std::memcpy(&bits, &value, sizeof(bits));
  return (bits & kSignBit<Score>) ? static_cast<Key<Score>>(~bits) : (bits | kSignBit<Score>);
}

template <typename Score>
inline Score score_of(Key<Score> key) {
  const Key<Score> bits = (key & kSignBit<Score>) ? (key ^ kSignBit<Score>) : static_cast<Key<Score>>(~key);
  Score score;
  std::memcpy(&score, &bits, sizeof(score));
  return score;
}

}  // namespace fr
