#include "normed_rows.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>

namespace fr {
namespace {

constexpr std::size_t kBlockRows = 256;
constexpr std::size_t kMostRows = std::numeric_limits<std::uint32_t>::max() - kPanelRows;
constexpr std::size_t kNone = std::numeric_limits<std::size_t>::max();

void keep_smallest(std::atomic<std::size_t>& smallest, std::size_t value) {
  std::size_t known = smallest;
  while (value < known && !smallest.compare_exchange_weak(known, value)) {
  }
}

[[noreturn]] void reject(const Rows& rows, const char* what, std::size_t row) {
  const float* values = rows[row];
  const bool finite =
      std::all_of(values, values + rows.dim, [](float value) { return std::isfinite(value); });
  throw std::invalid_argument(
      std::string(what) + ": row " + std::to_string(row) +
      (finite ? " is all zeros and has no direction" : " holds NaN or infinity, expected finite numbers"));
}

}  // namespace

NormedRows::NormedRows(const Rows& rows, const char* what, const Run& run)
    : kernel_(kernels().row),
      rows_(rows),
      dot_error_(dot_error((rows.dim + kLanes - 1) / kLanes * kLanes)),
      inverse_norm_(rows.count) {
  if (rows.count > kMostRows) {
    throw std::invalid_argument(std::string(what) + ": " + std::to_string(rows.count) +
                                " rows, expected at most " + std::to_string(kMostRows));
  }
  std::atomic<std::size_t> first_bad{kNone};
  const std::size_t blocks = (rows.count + kBlockRows - 1) / kBlockRows;
  parallel_blocks(blocks, run, [&](std::size_t block, const StopFlag&) {
    const std::size_t end = std::min(rows.count, (block + 1) * kBlockRows);
    for (std::size_t row = block * kBlockRows; row < end; ++row) {
      const double norm = std::sqrt(kernel_.squares_f64(rows[row], rows.dim));
      if (!(norm > 0.0 && std::isfinite(norm))) keep_smallest(first_bad, row);
      inverse_norm_[row] = 1.0 / norm;
    }
  });
  if (first_bad != kNone) reject(rows, what, first_bad);
}

void NormedRows::store_unit(std::size_t row, float* unit) const {
  kernel_.unit_f32(rows_[row], inverse_norm_[row], rows_.dim, unit);
  std::fill(unit + rows_.dim, unit + padded_dim(), 0.0f);
}

}  // namespace fr
