// One lane of plain C++; see lanes.hpp.
#pragma once

#include <cmath>

#include "kernels/kernels.hpp"

namespace fr_tf_ops {
namespace {

struct Lanes {
  static constexpr std::size_t kWidth = 1;
  using Mask = bool;

  float v;

  static Lanes all(float value) { return {value}; }
  static Lanes load(const float* p) { return {*p}; }
  static Lanes load(const Bfloat16* p) { return {to_float(*p)}; }
  static Lanes load(const Half* p) { return {to_float(*p)}; }
  static Mask equal(const std::int32_t* labels, std::int32_t label) { return *labels == label; }

  void store(float* p) const { *p = v; }
  void store(Bfloat16* p) const { round_to(v, p); }
  void store(Half* p) const { round_to(v, p); }
  template <typename T>
  void stream(T* p) const {
    store(p);
  }
  float sum() const { return v; }
};

inline Lanes operator+(Lanes a, Lanes b) { return {a.v + b.v}; }
inline Lanes operator-(Lanes a, Lanes b) { return {a.v - b.v}; }
inline Lanes operator*(Lanes a, Lanes b) { return {a.v * b.v}; }
inline Lanes operator/(Lanes a, Lanes b) { return {a.v / b.v}; }
inline Lanes fma(Lanes a, Lanes b, Lanes c) { return {a.v * b.v + c.v}; }
inline Lanes max(Lanes a, Lanes b) { return {a.v > b.v ? a.v : b.v}; }
inline Lanes min(Lanes a, Lanes b) { return {a.v < b.v ? a.v : b.v}; }
inline Lanes sqrt(Lanes a) { return {std::sqrt(a.v)}; }
inline Lanes round(Lanes a) { return {std::nearbyint(a.v)}; }
// In two steps, as half an exponent's range is what a float can be multiplied by.
inline Lanes times_power_of_two(Lanes a, Lanes exponent) {
  if (std::isnan(exponent.v)) return exponent;
  const auto power = [](int whole) { return float_of(static_cast<std::uint32_t>(whole + 127) << 23); };
  const int whole = static_cast<int>(exponent.v);
  return {a.v * power(whole / 2) * power(whole - whole / 2)};
}
inline bool greater(Lanes a, Lanes b) { return a.v > b.v; }
inline bool equal(Lanes a, Lanes b) { return a.v == b.v; }
inline bool is_nan(Lanes a) { return std::isnan(a.v); }
inline bool any(bool mask) { return mask; }
inline bool all(bool mask) { return mask; }
inline Lanes select(bool mask, Lanes yes, Lanes no) { return mask ? yes : no; }

// A sum of squares in float64.
class Squares {
 public:
  void add(Lanes a) { sum_ += double{a.v} * double{a.v}; }
  double total() const { return sum_; }

 private:
  double sum_ = 0;
};

inline void finish_streams() {}

}  // namespace
}  // namespace fr_tf_ops
