// Floats of 16 bits as they lie in memory, and their scalar conversions. Included by kernels too, so
// everything is in an unnamed namespace: each source keeps its own code.
#pragma once

#include <cstdint>
#include <cstring>

namespace fr_tf_ops {

struct Bfloat16 {
  std::uint16_t bits;
};

struct Half {
  std::uint16_t bits;
};

namespace {

inline std::uint32_t bits_of(float value) {
  std::uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  return bits;
}

inline float float_of(std::uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

inline float to_float(float value) { return value; }

inline float to_float(Bfloat16 value) { return float_of(std::uint32_t{value.bits} << 16); }

// Subnormals by whole numbers: a thread that flushes float32 subnormals must not lose them.
inline float to_float(Half value) {
  const std::uint32_t sign = (value.bits & 0x8000u) << 16;
  const std::uint32_t rest = value.bits & 0x7fffu;
  if (rest < 0x400u) return float_of(sign | bits_of(static_cast<float>(rest) * 0x1p-24f));
  if (rest >= 0x7c00u) return float_of(sign | rest << 13 | 0x7f800000u);  // infinite or NaN
  return float_of(sign | ((rest << 13) + 0x38000000u));
}

inline void round_to(float value, float* rounded) { *rounded = value; }

// To nearest, ties to even; NaN stays NaN.
inline void round_to(float value, Bfloat16* rounded) {
  const std::uint32_t bits = bits_of(value);
  const bool nan = (bits & 0x7fffffffu) > 0x7f800000u;
  const std::uint32_t nearest = bits + 0x7fffu + ((bits >> 16) & 1u);
  rounded->bits = static_cast<std::uint16_t>(nan ? (bits >> 16) | 0x40u : nearest >> 16);
}

// To nearest, ties to even: adding 2^k rounds a subnormal result at the right bit.
inline void round_to(float value, Half* rounded) {
  const std::uint32_t sign = (bits_of(value) >> 16) & 0x8000u;
  const std::uint32_t bits = bits_of(value) & 0x7fffffffu;
  std::uint32_t half;
  if (bits > 0x7f800000u) {
    half = 0x7e00u;
  } else if (bits >= 0x477ff000u) {  // 65520, which rounds to infinity
    half = 0x7c00u;
  } else if (bits < 0x38800000u) {  // 2^-14
    half = bits_of(float_of(bits) + 0.5f) - bits_of(0.5f);
  } else {
    half = (bits - 0x38000000u + 0xfffu + ((bits >> 13) & 1u)) >> 13;
  }
  rounded->bits = static_cast<std::uint16_t>(sign | half);
}

// A float32 that bfloat16 has too.
inline float bfloat16_value(float value) {
  Bfloat16 rounded;
  round_to(value, &rounded);
  return to_float(rounded);
}

}  // namespace
}  // namespace fr_tf_ops
