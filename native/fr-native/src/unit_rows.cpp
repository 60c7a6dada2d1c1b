#include "unit_rows.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>

#include "kernels/kernels.hpp"

namespace fr {
namespace {

constexpr std::size_t kBlockRows = 256;
constexpr std::size_t kNone = std::numeric_limits<std::size_t>::max();

void keep_smallest(std::atomic<std::size_t>& smallest, std::size_t value) {
  std::size_t known = smallest;
  while (value < known && !smallest.compare_exchange_weak(known, value)) {
  }
}

[[noreturn]] void reject(const Rows& rows, const char* what, std::size_t row) {
  const float* values = rows.data + row * rows.dim;
  const bool finite =
      std::all_of(values, values + rows.dim, [](float value) { return std::isfinite(value); });
  throw std::invalid_argument(
      std::string(what) + ": row " + std::to_string(row) +
      (finite ? " is all zeros and has no direction" : " holds NaN or infinity, expected finite numbers"));
}

}  // namespace

UnitRows::UnitRows(const Rows& rows, const char* what, const Run& run, const std::vector<std::size_t>& order)
    : size_(rows.count),
      dim_(rows.dim),
      padded_dim_((rows.dim + kLanes - 1) / kLanes * kLanes),
      data_(size_ * padded_dim_) {
  const Kernels& kernel = kernels();
  std::atomic<std::size_t> first_bad{kNone};
  const std::size_t blocks = (size_ + kBlockRows - 1) / kBlockRows;
  parallel_blocks(blocks, run, [&](std::size_t block, const StopFlag&) {
    const std::size_t end = std::min(size_, (block + 1) * kBlockRows);
    for (std::size_t i = block * kBlockRows; i < end; ++i) {
      const std::size_t source = order.empty() ? i : order[i];
      const float* from = rows.data + source * dim_;
      float* to = data_.data() + i * padded_dim_;
      std::copy(from, from + dim_, to);
      const double norm = std::sqrt(kernel.dot_f64(to, to, padded_dim_));
      if (!(norm > 0.0 && std::isfinite(norm))) {
        keep_smallest(first_bad, source);
        continue;
      }
      for (std::size_t d = 0; d < dim_; ++d) to[d] = static_cast<float>(to[d] / norm);
    }
  });
  if (first_bad != kNone) reject(rows, what, first_bad);
}

}  // namespace fr
