#include "candidates.hpp"

#include <algorithm>
#include <utility>

namespace fr {
namespace {

// Near-ties in number are scored before they fill the memory.
constexpr std::size_t kMostUnscored = 1024;
constexpr std::size_t kAhead = 1;  // rows to fetch while one is refined
constexpr int kHalvings = 12;

}  // namespace

void Candidates::drop() {
  raise_floor();
  cut();
  if (size() > kMostUnscored + 8 * k_) score_all();
  next_drop_ = size() + pause();
}

// By halving a range of scores: near enough, the floor is the highest that the lower bounds of k rows reach.
void Candidates::raise_floor() {
  const auto k_reach = [this](float floor) {
    return gallery_->kernel().row.count_reaching(lower_.data(), size(), floor) >= k_;
  };
  float reached = std::max(floor_, -1.0f);
  float beyond = 1.0f;
  if (!k_reach(reached)) return;
  for (int i = 0; i < kHalvings; ++i) {
    const float middle = reached + (beyond - reached) / 2;
    (k_reach(middle) ? reached : beyond) = middle;
  }
  floor_ = reached;
}

void Candidates::cut() {
  std::size_t kept = 0;
  for (std::size_t row = 0; row < size(); ++row) {
    lower_[kept] = lower_[row];
    upper_[kept] = upper_[row];
    position_[kept] = position_[row];
    kept += upper_[row] >= floor_;
  }
  lower_.resize(kept);
  upper_.resize(kept);
  position_.resize(kept);
}

// Moves rows whose lower bounds reach the floor, k or few more, to the front; how many.
std::size_t Candidates::best_first() {
  std::size_t best = 0;
  for (std::size_t row = 0; row < size(); ++row) {
    if (lower_[row] < floor_) continue;
    std::swap(lower_[row], lower_[best]);
    std::swap(upper_[row], upper_[best]);
    std::swap(position_[row], position_[best++]);
  }
  return best;
}

void Candidates::refine(std::size_t begin, std::size_t end) {
  for (std::size_t row = begin; row < end; ++row) {
    if (row + kAhead < end) gallery_->prefetch(position_[row + kAhead]);
    const auto near = gallery_->approximate(unit_, position_[row]);
    lower_[row] = std::max(lower_[row], near.score - near.error);
    upper_[row] = std::min(upper_[row], near.score + near.error);
  }
}

void Candidates::score_all() {
  for (const std::uint32_t position : position_) top_.offer(gallery_->neighbour(unit_, position));
  lower_.clear();
  upper_.clear();
  position_.clear();
  floor_ = std::max(floor_, top_.floor());
}

std::vector<Neighbour> Candidates::resolve() {
  drop();
  const auto best = static_cast<std::ptrdiff_t>(best_first());
  refine(0, static_cast<std::size_t>(best));
  raise_floor();
  const auto refined =
      std::count_if(upper_.begin(), upper_.begin() + best, [this](float upper) { return upper >= floor_; });
  cut();
  refine(static_cast<std::size_t>(refined), size());
  drop();
  score_all();
  return top_.drain();
}

}  // namespace fr
