#include "gallery.hpp"

#include <algorithm>
#include <limits>
#include <mutex>
#include <numeric>
#include <utility>

#include "candidates.hpp"
#include "scan.hpp"

namespace fr {
namespace {

std::vector<std::int64_t> whole_panels(std::vector<std::int64_t> order, std::size_t size) {
  if (order.empty()) {
    order.resize(size);
    std::iota(order.begin(), order.end(), std::int64_t{0});
  }
  order.resize((order.size() + kPanelRows - 1) / kPanelRows * kPanelRows, kAbsent);
  return order;
}

// Query blocks times parts of the gallery: enough pieces for all threads even when there are few queries.
struct Pieces {
  Pieces(std::size_t queries, std::size_t panels, std::size_t threads)
      : blocks((queries + kQueryBlock - 1) / kQueryBlock), panels(panels) {
    constexpr std::size_t kPiecesPerThread = 16;
    constexpr std::size_t kSmallestPart = 64;  // panels
    const std::size_t wanted = (kPiecesPerThread * threads + blocks - 1) / blocks;
    parts = std::max<std::size_t>(1, std::min(wanted, panels / kSmallestPart));
  }

  std::size_t first_panel(std::size_t part) const { return panels * part / parts; }

  std::size_t blocks;
  std::size_t panels;
  std::size_t parts;
};

// What the parts of the gallery have found for a block of queries.
class Found {
 public:
  // Scores that the k best of every query reach at least.
  std::vector<float> floors(std::size_t queries, std::size_t k) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (best_.empty()) best_.assign(queries, TopK(k));
    std::vector<float> floors;
    for (const auto& top : best_) floors.push_back(top.floor());
    return floors;
  }

  // True when this was the last of `parts`.
  bool add(const std::vector<std::vector<Neighbour>>& neighbours, std::size_t parts) {
    const std::lock_guard<std::mutex> lock(mutex_);
    for (std::size_t q = 0; q < neighbours.size(); ++q) {
      for (const auto& row : neighbours[q]) best_[q].offer(row);
    }
    return ++parts_done_ == parts;
  }

  // The k best of every query, when all parts are done.
  std::vector<TopK> take() { return std::exchange(best_, {}); }

 private:
  std::mutex mutex_;
  std::vector<TopK> best_;
  std::size_t parts_done_ = 0;
};

}  // namespace

Gallery::Gallery(const Rows& rows, const char* what, const Run& run, const Rows& axes,
                 std::vector<std::int64_t> order)
    : kernel_(kernels()),
      rows_(rows, what, run),
      panels_(rows_, whole_panels(std::move(order), rows.count), subspace_of(rows_, axes), run) {}

void Gallery::search(const Rows& query_rows, std::size_t k, float* scores, std::int64_t* indices,
                     const Run& run) const {
  const NormedRows queries(query_rows, "queries", run);
  std::vector<std::int64_t> all(queries.size());
  std::iota(all.begin(), all.end(), std::int64_t{0});
  const Pieces pieces(queries.size(), panels_.count(), run.threads);
  std::vector<Found> found(pieces.blocks);
  parallel_blocks(pieces.blocks * pieces.parts, run, [&](std::size_t piece, const StopFlag& stop) {
    const std::size_t begin = piece / pieces.parts * kQueryBlock;
    const std::size_t part = piece % pieces.parts;
    const std::size_t count = std::min(kQueryBlock, queries.size() - begin);
    Found& block_found = found[piece / pieces.parts];
    const std::vector<float> floors = block_found.floors(count, k);
    const QueryBlock block(queries, all.data() + begin, count, panels_.subspace(), kernel_.tile.rows);
    std::vector<Candidates> candidates;
    for (std::size_t q = 0; q < count; ++q) candidates.emplace_back(*this, block.unit(q), k, floors[q]);
    scan(kernel_.tile, block, panels_, pieces.first_panel(part), pieces.first_panel(part + 1), floors, stop,
         [&](std::size_t q, const PanelBounds& panel) {
           candidates[q].add(panel, panel.reach);
           return candidates[q].floor();
         });
    if (stop) return;
    std::vector<std::vector<Neighbour>> neighbours;
    for (std::size_t q = 0; q < count && !stop; ++q) neighbours.push_back(candidates[q].resolve());
    if (stop) return;
    if (!block_found.add(neighbours, pieces.parts)) return;
    std::vector<TopK> best = block_found.take();
    for (std::size_t q = 0; q < count; ++q) {
      std::size_t at = (begin + q) * k;
      for (const auto& row : best[q].drain()) {
        scores[at] = row.score;
        indices[at++] = row.index;
      }
    }
  });
}

}  // namespace fr
