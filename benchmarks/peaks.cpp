// What this machine can do at most, and what the int8 tile alone does, as JSON; see peaks.py.
//
// int8_gmacs     multiply-adds a second (10^9) of the instruction that the tile is made of, in registers
// tile_gmacs     the same of the tile on panels and queries that stay in the cache
// float32_gmacs  fused multiply-adds of float32, in registers
// read_gbs       10^9 bytes a second read from memory
#include <immintrin.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <thread>
#include <vector>

#include "kernels/kernels.hpp"

namespace {

using Clock = std::chrono::steady_clock;
constexpr int kRounds = 7;
constexpr std::size_t kSums = 12;  // independent sums, enough to hide the latency of an instruction

#if defined(__AVX512VNNI__)
using Int8 = __m512i;
using Float32 = __m512;
const fr::Tile& tile() { return fr::kTileAvx512Vnni; }
Int8 multiply_add(Int8 sum, Int8 a, Int8 b) { return _mm512_dpbusd_epi32(sum, a, b); }
Float32 multiply_add(Float32 sum, Float32 a, Float32 b) { return _mm512_fmadd_ps(a, b, sum); }
#else
using Int8 = __m256i;
using Float32 = __m256;
const fr::Tile& tile() { return fr::kTileAvx2; }
Int8 multiply_add(Int8 sum, Int8 a, Int8 b) {
  const __m256i pairs = _mm256_maddubs_epi16(a, b);
  return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}
Float32 multiply_add(Float32 sum, Float32 a, Float32 b) { return _mm256_fmadd_ps(a, b, sum); }
#endif

template <typename Vector>
double register_macs(std::size_t macs_each) {
  constexpr std::size_t kSteps = 4'000'000;
  Vector sum[kSums] = {};
  Vector a = {}, b = {};
  FR_UNROLL for (std::size_t s = 0; s < kSums; ++s) asm volatile("" : "+v"(sum[s]));  // no two are alike
  asm volatile("" : "+v"(a), "+v"(b));
  for (std::size_t step = 0; step < kSteps; ++step) {
    FR_UNROLL for (std::size_t s = 0; s < kSums; ++s) sum[s] = multiply_add(sum[s], a, b);
    asm volatile("" : "+v"(a), "+v"(b));
  }
  FR_UNROLL for (std::size_t s = 0; s < kSums; ++s) asm volatile("" : "+v"(sum[s]));
  return static_cast<double>(kSteps * kSums * macs_each);
}

double tile_macs() {
  constexpr std::size_t kDim = 512, kQueries = 96, kPanels = 8, kSteps = 40;
  const std::size_t rows = tile().rows;
  std::vector<std::int8_t> queries(kQueries * kDim, 1);
  std::vector<std::uint8_t> bytes(kPanels * kDim * fr::kPanelRows, 129);
  std::vector<float> scale(fr::kPanelRows, 1e-3f), error(fr::kPanelRows, 1e-3f), residual(fr::kPanelRows);
  std::vector<float> floors(kQueries, 10.0f);
  std::vector<fr::QueryBound> bounds(kQueries);
  std::vector<float> upper(rows * fr::kPanelRows);
  std::vector<std::uint32_t> reach(rows);
  for (std::size_t step = 0; step < kSteps; ++step) {
    for (std::size_t p = 0; p < kPanels; ++p) {
      const fr::PanelRows panel{bytes.data() + p * kDim * fr::kPanelRows, scale.data(), error.data(),
                                residual.data()};
      for (std::size_t q = 0; q + rows <= kQueries; q += rows) {
        tile().bound(queries.data() + q * kDim, panel, kDim, bounds.data() + q, floors.data() + q,
                     upper.data(), reach.data());
      }
    }
  }
  return static_cast<double>(kSteps * kPanels * (kQueries / rows * rows) * fr::kPanelRows * kDim);
}

// Runs the work on all threads at once; the median rate of some rounds, in 10^9 a second.
double rate(std::size_t threads, const std::function<double(std::size_t)>& work) {
  std::vector<double> rates;
  for (int round = 0; round < kRounds; ++round) {
    std::vector<double> done(threads);
    std::vector<std::thread> pool;
    const auto begin = Clock::now();
    for (std::size_t t = 0; t < threads; ++t) pool.emplace_back([&, t] { done[t] = work(t); });
    for (auto& thread : pool) thread.join();
    const std::chrono::duration<double> seconds = Clock::now() - begin;
    double total = 0;
    for (const double part : done) total += part;
    rates.push_back(total / seconds.count() / 1e9);
  }
  std::nth_element(rates.begin(), rates.begin() + kRounds / 2, rates.end());
  return rates[kRounds / 2];
}

double read_gbs(std::size_t threads) {
  const std::size_t each = (std::size_t{1} << 30) / threads / sizeof(std::uint64_t);
  const std::vector<std::uint64_t> memory(each * threads, 1);
  return rate(threads, [&](std::size_t t) {
    std::uint64_t sum = 0;
    for (std::size_t i = t * each; i < (t + 1) * each; ++i) sum += memory[i];
    asm volatile("" : : "r"(sum));
    return static_cast<double>(each * sizeof(std::uint64_t));
  });
}

}  // namespace

int main(int, char** arguments) {
  const auto threads = static_cast<std::size_t>(std::strtoul(arguments[1], nullptr, 10));
  const double int8 = rate(threads, [](std::size_t) { return register_macs<Int8>(sizeof(Int8)); });
  const double tiles = rate(threads, [](std::size_t) { return tile_macs(); });
  const double float32 =
      rate(threads, [](std::size_t) { return register_macs<Float32>(sizeof(Float32) / sizeof(float)); });
  std::printf("{\"int8_gmacs\": %.1f, \"tile_gmacs\": %.1f, \"float32_gmacs\": %.1f, \"read_gbs\": %.1f}\n", int8,
              tiles, float32, read_gbs(threads));
}
