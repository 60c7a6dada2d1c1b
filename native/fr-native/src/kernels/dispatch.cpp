#include <cstdlib>
#include <stdexcept>

#include "kernels/kernels.hpp"

#if defined(FR_X86_KERNELS) && defined(_MSC_VER)
#include <immintrin.h>
#include <intrin.h>
#elif defined(FR_X86_KERNELS)
#include <cpuid.h>
#elif defined(FR_NEON_KERNELS) && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#elif defined(FR_NEON_KERNELS) && defined(__APPLE__)
#include <sys/sysctl.h>
#endif

namespace fr {
namespace {

#ifdef FR_X86_KERNELS
#ifdef _MSC_VER
// CPUID leaf 1 ECX bit 27 (OSXSAVE), bit 12 (FMA); leaf 7 EBX bit 5 (AVX2), bit 16 (AVX-512F); XCR0 says
// which registers the system saves: 0x6 for YMM, 0xe6 for ZMM.
bool cpu_runs(int leaf7_bit, unsigned long long saved) {
  int regs[4];
  __cpuid(regs, 1);
  const bool osxsave = (regs[2] >> 27) & 1;
  const bool fma = (regs[2] >> 12) & 1;
  if (!osxsave || !fma || (_xgetbv(0) & saved) != saved) return false;
  __cpuidex(regs, 7, 0);
  return (regs[1] >> leaf7_bit) & 1;
}
bool runs_avx2() { return cpu_runs(5, 0x6); }
bool runs_avx512vnni() {
  int regs[4];
  __cpuidex(regs, 7, 0);
  return cpu_runs(16, 0xe6) && ((regs[2] >> 11) & 1);
}
bool runs_avxvnni() {
  int regs[4];
  __cpuidex(regs, 7, 1);
  return runs_avx2() && ((regs[0] >> 4) & 1);
}
#else
bool runs_avx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
bool runs_avx512vnni() { return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vnni"); }
bool runs_avxvnni() {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  return runs_avx2() && __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) && ((eax >> 4) & 1);
}
#endif
#endif

#ifdef FR_NEON_KERNELS
#ifdef __linux__
bool runs_dotprod() { return (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0; }
#elif defined(__APPLE__)
bool runs_dotprod() {
  int has = 0;
  std::size_t size = sizeof(has);
  return sysctlbyname("hw.optional.arm.FEAT_DotProd", &has, &size, nullptr, 0) == 0 && has != 0;
}
#else
bool runs_dotprod() { return false; }
#endif
#endif

// Slowest first.
std::vector<Kernels> runnable() {
  std::vector<Kernels> table = {{"generic", kTileGeneric, kRowsGeneric}};
#ifdef FR_X86_KERNELS
  if (runs_avx2()) table.push_back({"avx2", kTileAvx2, kRowsAvx2});
  if (runs_avxvnni()) table.push_back({"avxvnni", kTileAvxVnni, kRowsAvx2});
  if (runs_avx512vnni()) table.push_back({"avx512vnni", kTileAvx512Vnni, kRowsAvx512});
#endif
#ifdef FR_NEON_KERNELS
  if (runs_dotprod()) table.push_back({"neondot", kTileNeonDot, kRowsGeneric});
#endif
  return table;
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const auto& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

}  // namespace

float dot_error(std::size_t dim) {
  const double unit_roundoff = 1.0 / (1 << 24);
  return static_cast<float>(1.05 * static_cast<double>(dim + 8) * unit_roundoff);
}

std::vector<std::string> available_isas() {
  std::vector<std::string> names;
  for (const Kernels& k : runnable()) names.emplace_back(k.name);
  return names;
}

const Kernels& kernels() {
  static const std::vector<Kernels> table = runnable();
  const char* wanted = std::getenv("FR_NATIVE_ISA");
  if (wanted == nullptr || *wanted == '\0') return table.back();
  for (const Kernels& k : table) {
    if (std::string(wanted) == k.name) return k;
  }
  throw std::invalid_argument("FR_NATIVE_ISA is '" + std::string(wanted) + "'; this CPU runs " +
                              joined(available_isas()));
}

}  // namespace fr
