// Memory for kernels, on a boundary of cache lines.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>

#include "kernels/kernels.hpp"

namespace fr_tf_ops {

enum class Contents { kZero, kNone };

template <typename T>
class AlignedBuffer {
 public:
  AlignedBuffer() = default;
  explicit AlignedBuffer(std::size_t count, Contents contents = Contents::kZero)
      : memory_(std::malloc(count * sizeof(T) + kCacheLine)) {
    if (memory_ == nullptr) throw std::bad_alloc();
    const auto address = reinterpret_cast<std::uintptr_t>(memory_.get());
    data_ = reinterpret_cast<T*>((address + kCacheLine - 1) / kCacheLine * kCacheLine);
    if (contents == Contents::kZero) std::memset(data_, 0, count * sizeof(T));
  }
  T* data() { return data_; }
  const T* data() const { return data_; }

 private:
  struct Free {
    void operator()(void* memory) const { std::free(memory); }
  };
  std::unique_ptr<void, Free> memory_;
  T* data_ = nullptr;
};

inline std::size_t round_up(std::size_t value, std::size_t step) { return (value + step - 1) / step * step; }

}  // namespace fr_tf_ops
