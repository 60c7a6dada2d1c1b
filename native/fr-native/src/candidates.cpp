#include "candidates.hpp"

#include <algorithm>

namespace fr {
namespace {

// Near-ties in number are scored before they fill the memory.
constexpr std::size_t kMostUnscored = 1024;

}  // namespace

void Candidates::drop() {
  if (rows_.size() > k_) {
    const auto end = rows_.begin() + static_cast<std::ptrdiff_t>(k_);
    std::nth_element(rows_.begin(), end - 1, rows_.end(),
                     [](const Row& a, const Row& b) { return a.lower > b.lower; });
    floor_ = std::max(floor_, (end - 1)->lower);
  }
  cut();
  if (rows_.size() > kMostUnscored + 8 * k_) score_all();
  next_drop_ = rows_.size() + pause();
}

void Candidates::refine(Row& row) const {
  if (row.refined) return;
  const auto near = gallery_->approximate(unit_, row.position);
  row.lower = std::max(row.lower, near.score - near.error);
  row.upper = std::min(row.upper, near.score + near.error);
  row.refined = true;
}

void Candidates::cut() {
  const auto out = [this](const Row& row) { return row.upper < floor_; };
  rows_.erase(std::remove_if(rows_.begin(), rows_.end(), out), rows_.end());
}

void Candidates::score_all() {
  for (const Row& row : rows_) top_.offer(gallery_->neighbour(unit_, row.position));
  rows_.clear();
  floor_ = std::max(floor_, top_.floor());
}

std::vector<Neighbour> Candidates::resolve() {
  drop();
  const std::size_t best = std::min(k_, rows_.size());
  const auto end = rows_.begin() + static_cast<std::ptrdiff_t>(best);
  std::for_each(rows_.begin(), end, [this](Row& row) { refine(row); });
  drop();
  for (Row& row : rows_) refine(row);
  drop();
  score_all();
  return top_.drain();
}

}  // namespace fr
