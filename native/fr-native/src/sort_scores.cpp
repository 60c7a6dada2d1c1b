#include "sort_scores.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <stdexcept>
#include <string>

#include "score_key.hpp"

namespace fr {
namespace {

constexpr unsigned kDigitBits = 11;
constexpr std::size_t kBins = std::size_t{1} << kDigitBits;
constexpr std::size_t kNanBlock = std::size_t{1} << 16;
using Histogram = std::array<std::size_t, kBins>;

// Equal parts of the input, one a thread; a part keeps its place, which makes each pass stable.
struct Parts {
  std::size_t size;
  std::size_t count;
  std::size_t begin(std::size_t part) const { return size * part / count; }
};

// Turns counts into first positions: bins in order, within a bin the parts in order.
// Returns false when all keys share one digit, so that the pass would change nothing.
bool place(std::vector<Histogram>& counts, std::size_t size) {
  std::size_t position = 0;
  for (std::size_t bin = 0; bin < kBins; ++bin) {
    std::size_t in_bin = 0;
    for (auto& part : counts) {
      const std::size_t count = part[bin];
      part[bin] = position + in_bin;
      in_bin += count;
    }
    if (in_bin == size) return false;
    position += in_bin;
  }
  return true;
}

template <typename K>
void radix_sort(K* keys, K* spare, std::size_t size, const Run& run) {
  const Parts parts{size, std::max<std::size_t>(1, std::min(run.threads, size / kBins))};
  std::vector<Histogram> counts(parts.count);
  K* from = keys;
  K* to = spare;
  for (unsigned shift = 0; shift < sizeof(K) * 8; shift += kDigitBits) {
    parallel_blocks(parts.count, run, [&](std::size_t part, const StopFlag&) {
      Histogram& histogram = counts[part];
      histogram.fill(0);
      for (std::size_t i = parts.begin(part); i < parts.begin(part + 1); ++i) {
        ++histogram[(from[i] >> shift) & (kBins - 1)];
      }
    });
    if (!place(counts, size)) continue;
    parallel_blocks(parts.count, run, [&](std::size_t part, const StopFlag&) {
      Histogram& next = counts[part];
      for (std::size_t i = parts.begin(part); i < parts.begin(part + 1); ++i) {
        to[next[(from[i] >> shift) & (kBins - 1)]++] = from[i];
      }
    });
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
void sort_scores(Span<Score> scores, Score* sorted, const Run& run) {
  reject_nan(scores, "score", run);
  const std::size_t size = scores.size;
  const std::unique_ptr<Key<Score>[]> keys(new Key<Score>[size]);
  const std::unique_ptr<Key<Score>[]> spare(new Key<Score>[size]);
  for (std::size_t i = 0; i < size; ++i) keys[i] = key_of(scores[i]);
  radix_sort(keys.get(), spare.get(), size, run);
  for (std::size_t i = 0; i < size; ++i) sorted[i] = score_of<Score>(keys[i]);
}

template void reject_nan(Span<float>, const char*, const Run&);
template void reject_nan(Span<double>, const char*, const Run&);
template void sort_scores(Span<float>, float*, const Run&);
template void sort_scores(Span<double>, double*, const Run&);

}  // namespace fr
