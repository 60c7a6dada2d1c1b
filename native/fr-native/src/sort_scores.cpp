#include "sort_scores.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

#include "score_key.hpp"

namespace fr {
namespace {

constexpr unsigned kDigitBits = 11;
constexpr std::size_t kBins = std::size_t{1} << kDigitBits;
constexpr std::size_t kFewKeys = 1024;  // that std::sort orders faster than two passes over all bins
constexpr std::size_t kNanBlock = std::size_t{1} << 16;
using Histogram = std::array<std::size_t, kBins>;

// Equal parts of the input, one a thread.
struct Parts {
  std::size_t size;
  std::size_t count;
  std::size_t begin(std::size_t part) const { return size * part / count; }
};

template <typename K>
std::size_t digit(K key, unsigned shift) {
  return static_cast<std::size_t>(key >> shift) & (kBins - 1);
}

// The highest digit, by which keys are dealt to buckets that are then sorted each by itself.
template <typename K>
constexpr unsigned kTopShift = sizeof(K) * 8 - kDigitBits;

// Turns counts into first positions: bins in order, within a bin the parts in order. Returns where each bin
// begins, and the end.
std::vector<std::size_t> place(std::vector<Histogram>& counts) {
  std::vector<std::size_t> begins(kBins + 1);
  std::size_t position = 0;
  for (std::size_t bin = 0; bin < kBins; ++bin) {
    begins[bin] = position;
    for (auto& part : counts) position += std::exchange(part[bin], position);
  }
  begins[kBins] = position;
  return begins;
}

// Deals the scores' keys to buckets by their highest digit; returns where each bucket begins, and the end.
template <typename Score>
std::vector<std::size_t> deal(Span<Score> scores, Key<Score>* keys, const Run& run) {
  const Parts parts{scores.size, std::max<std::size_t>(1, std::min(run.threads, scores.size / kBins))};
  std::vector<Histogram> counts(parts.count);
  parallel_blocks(parts.count, run, [&](std::size_t part, const StopFlag&) {
    Histogram& histogram = counts[part];
    histogram.fill(0);
    for (std::size_t i = parts.begin(part); i < parts.begin(part + 1); ++i) {
      ++histogram[digit(key_of(scores[i]), kTopShift<Key<Score>>)];
    }
  });
  std::vector<std::size_t> begins = place(counts);
  parallel_blocks(parts.count, run, [&](std::size_t part, const StopFlag&) {
    Histogram& next = counts[part];
    for (std::size_t i = parts.begin(part); i < parts.begin(part + 1); ++i) {
      const Key<Score> key = key_of(scores[i]);
      keys[next[digit(key, kTopShift<Key<Score>>)]++] = key;
    }
  });
  return begins;
}

// Least significant digit first, over the bits below the highest digit.
template <typename K>
void sort_bucket(K* keys, std::size_t size) {
  if (size <= kFewKeys) return std::sort(keys, keys + size);
  const std::unique_ptr<K[]> spare(new K[size]);
  K* from = keys;
  K* to = spare.get();
  for (unsigned shift = 0; shift < kTopShift<K>; shift += kDigitBits) {
    Histogram next{};
    for (std::size_t i = 0; i < size; ++i) ++next[digit(from[i], shift)];
    if (next[digit(from[0], shift)] == size) continue;
    std::size_t position = 0;
    for (auto& count : next) position += std::exchange(count, position);
    for (std::size_t i = 0; i < size; ++i) to[next[digit(from[i], shift)]++] = from[i];
    std::swap(from, to);
  }
  if (from != keys) std::copy(from, from + size, keys);
}

}  // namespace

template <typename Score>
void reject_nan(Span<Score> scores, const char* what, const Run& run) {
  const std::size_t blocks = (scores.size + kNanBlock - 1) / kNanBlock;
  std::atomic<std::size_t> first{scores.size};
  parallel_blocks(blocks, run, [&](std::size_t block, const StopFlag&) {
    const std::size_t end = std::min(scores.size, (block + 1) * kNanBlock);
    bool found = false;
    for (std::size_t i = block * kNanBlock; i < end; ++i) found |= scores[i] != scores[i];
    if (!found) return;
    std::size_t at = block * kNanBlock;
    while (scores[at] == scores[at]) ++at;
    std::size_t known = first;
    while (at < known && !first.compare_exchange_weak(known, at)) {
    }
  });
  if (first < scores.size) {
    throw std::invalid_argument(std::string(what) + " " + std::to_string(first) +
                                " is NaN, expected a number");
  }
}

template <typename Score>
void sort_scores(Span<Score> scores, void* sorted, const Run& run) {
  static_assert(sizeof(Key<Score>) == sizeof(Score));
  reject_nan(scores, "score", run);
  auto* keys = static_cast<Key<Score>*>(sorted);
  const std::vector<std::size_t> begins = deal(scores, keys, run);
  parallel_blocks(kBins, run, [&](std::size_t bin, const StopFlag&) {
    sort_bucket(keys + begins[bin], begins[bin + 1] - begins[bin]);
    for (std::size_t i = begins[bin]; i < begins[bin + 1]; ++i) {
      const Score score = score_of<Score>(keys[i]);
      std::memcpy(keys + i, &score, sizeof(score));
    }
  });
}

template void reject_nan(Span<float>, const char*, const Run&);
template void reject_nan(Span<double>, const char*, const Run&);
template void sort_scores(Span<float>, void*, const Run&);
template void sort_scores(Span<double>, void*, const Run&);

}  // namespace fr
