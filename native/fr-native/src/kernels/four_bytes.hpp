// Four int8 as one word, shared by kernels; in an unnamed namespace, so that each source keeps its own.
#pragma once

#include <cstdint>
#include <cstring>

namespace fr {
namespace {

inline std::int32_t four_bytes(const std::int8_t* bytes) {
  std::int32_t word;
  std::memcpy(&word, bytes, sizeof(word));
  return word;
}

}  // namespace
}  // namespace fr
