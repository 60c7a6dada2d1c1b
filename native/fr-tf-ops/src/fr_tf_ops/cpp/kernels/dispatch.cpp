#include "kernels/dispatch.hpp"

#include <cstdlib>
#include <stdexcept>

#ifdef FR_X86_KERNELS
#include <cpuid.h>
#endif

namespace fr_tf_ops {
namespace {

#ifdef FR_X86_KERNELS
// CPUID leaf 1 ECX bit 29; __builtin_cpu_supports knows no "f16c" before GCC 11.
bool runs_f16c() {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  return __get_cpuid(1, &eax, &ebx, &ecx, &edx) && ((ecx >> 29) & 1);
}
bool runs_avx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && runs_f16c(); }
bool runs_avx512() { return __builtin_cpu_supports("avx512f"); }
// Leaf 7, subleaf 1, EAX bit 5.
bool runs_avx512bf16() {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  return runs_avx512() && __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) && ((eax >> 5) & 1);
}
#endif

// Slowest first.
std::vector<Kernels> runnable() {
  std::vector<Kernels> table = {{"generic", &kFloat32Generic, &kBfloat16Generic, &kElementwiseGeneric}};
#ifdef FR_X86_KERNELS
  if (runs_avx2()) table.push_back({"avx2", &kFloat32Avx2, &kBfloat16Avx2, &kElementwiseAvx2});
  if (runs_avx512()) table.push_back({"avx512", &kFloat32Avx512, &kBfloat16Avx512, &kElementwiseAvx512});
  if (runs_avx512bf16()) {
    table.push_back({"avx512bf16", &kFloat32Avx512, &kPairsAvx512Bf16, &kElementwiseAvx512});
  }
#endif
  return table;
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const auto& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

}  // namespace

std::vector<std::string> available_isas() {
  std::vector<std::string> names;
  for (const Kernels& k : runnable()) names.emplace_back(k.name);
  return names;
}

const Kernels& kernels() {
  static const std::vector<Kernels> table = runnable();
  const char* wanted = std::getenv("FR_TF_OPS_ISA");
  if (wanted == nullptr || *wanted == '\0') return table.back();
  for (const Kernels& k : table) {
    if (std::string(wanted) == k.name) return k;
  }
  throw std::invalid_argument("FR_TF_OPS_ISA is '" + std::string(wanted) + "'; this CPU runs " +
                              joined(available_isas()));
}

}  // namespace fr_tf_ops
