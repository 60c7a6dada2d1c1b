// Float32 rows of unit Euclidean norm, padded with zeros to whole kernel lanes.
#pragma once

#include <cstddef>
#include <vector>

#include "parallel.hpp"

namespace fr {

// Row-major float32 rows as the caller holds them.
struct Rows {
  const float* data = nullptr;
  std::size_t count = 0;
  std::size_t dim = 0;
};

class UnitRows {
 public:
  // Each row divided by its float64 norm and rounded once; `order`, if not empty, lists the rows to take.
  // Throws std::invalid_argument naming the first row with NaN, infinity or zero norm.
  UnitRows(const Rows& rows, const char* what, const Run& run, const std::vector<std::size_t>& order = {});

  const float* row(std::size_t i) const { return data_.data() + i * padded_dim_; }
  std::size_t size() const { return size_; }
  std::size_t dim() const { return dim_; }
  std::size_t padded_dim() const { return padded_dim_; }

 private:
  std::size_t size_;
  std::size_t dim_;
  std::size_t padded_dim_;
  std::vector<float> data_;
};

}  // namespace fr
