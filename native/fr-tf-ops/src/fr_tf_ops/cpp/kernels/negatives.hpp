// f(c), what becomes of the cosine c of a class that is not the sample's own, and f'(c).
#pragma once

#include "kernels/functions.hpp"

namespace fr_tf_ops {
namespace {

struct CosineNegatives {
  CosineNegatives(const Negatives&, std::size_t) {}

  Lanes value(Lanes c) const { return c; }
  Lanes slope(Lanes) const { return Lanes::all(1.0f); }
};

// Above a sample's threshold c (hardness + c) takes the place of c (CurricularFace).
struct HardNegatives {
  HardNegatives(const Negatives& negatives, std::size_t first_sample)
      : threshold(Lanes::load(negatives.thresholds + first_sample)),
        hardness(Lanes::all(negatives.hardness)) {}

  Lanes value(Lanes c) const { return select(greater(c, threshold), c * (hardness + c), c); }
  Lanes slope(Lanes c) const { return select(greater(c, threshold), hardness + (c + c), Lanes::all(1.0f)); }

  Lanes threshold;
  Lanes hardness;
};

// Above a sample's threshold 0 takes the place of c (Partial FC's conflicting classes).
struct DropNegatives {
  DropNegatives(const Negatives& negatives, std::size_t first_sample)
      : threshold(Lanes::load(negatives.thresholds + first_sample)) {}

  Lanes value(Lanes c) const { return select(greater(c, threshold), Lanes::all(0.0f), c); }
  Lanes slope(Lanes c) const { return select(greater(c, threshold), Lanes::all(0.0f), Lanes::all(1.0f)); }

  Lanes threshold;
};

// 1 - 2 arccos(c) / pi = 2 arcsin(c) / pi (AirFace). Near 1 and -1 its slope grows without limit: there it is
// that at the largest cosine below.
struct AngleNegatives {
  AngleNegatives(const Negatives&, std::size_t) {}

  Lanes value(Lanes c) const { return asin(clipped(c, 1.0f)) * Lanes::all(kTwoOverPi); }
  Lanes slope(Lanes c) const {
    const Lanes held = clipped(c, 1.0f - 0x1p-20f);
    const Lanes one = Lanes::all(1.0f);
    return Lanes::all(kTwoOverPi) / sqrt((one - held) * (one + held));
  }

  static constexpr float kTwoOverPi = 0.636619772367581343f;
  static Lanes clipped(Lanes c, float size) { return min(Lanes::all(size), max(Lanes::all(-size), c)); }
};

// Calls use(kind of negatives) with the type that stands for it.
template <typename Use>
void with_negatives(NegativesKind kind, const Use& use) {
  switch (kind) {
    case NegativesKind::kCosine:
      return use(static_cast<CosineNegatives*>(nullptr));
    case NegativesKind::kHard:
      return use(static_cast<HardNegatives*>(nullptr));
    case NegativesKind::kDrop:
      return use(static_cast<DropNegatives*>(nullptr));
    case NegativesKind::kAngle:
      return use(static_cast<AngleNegatives*>(nullptr));
  }
}

}  // namespace
}  // namespace fr_tf_ops
