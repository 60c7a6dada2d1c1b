// A pointer and a length: C++17 has no std::span.
#pragma once

#include <cstddef>

namespace fr {

template <typename T>
struct Span {
  const T* data = nullptr;
  std::size_t size = 0;

  const T& operator[](std::size_t i) const { return data[i]; }
  const T* begin() const { return data; }
  const T* end() const { return data + size; }
};

}  // namespace fr
