#include "top_k.hpp"

#include <limits>
#include <utility>

namespace fr {

float TopK::floor() const {
  return heap_.size() < k_ ? -std::numeric_limits<float>::infinity() : heap_.front().score;
}

void TopK::offer(const Neighbour& candidate) {
  if (heap_.size() == k_) {
    if (k_ == 0 || !precedes(candidate, heap_.front())) return;
    std::pop_heap(heap_.begin(), heap_.end(), precedes);
    heap_.pop_back();
  }
  heap_.push_back(candidate);
  std::push_heap(heap_.begin(), heap_.end(), precedes);
}

std::vector<Neighbour> TopK::drain() {
  std::sort_heap(heap_.begin(), heap_.end(), precedes);
  return std::exchange(heap_, {});
}

void Candidates::drop() {
  if (k_ > 0 && rows_.size() >= k_) {
    const auto kth = rows_.begin() + static_cast<std::ptrdiff_t>(k_ - 1);
    std::nth_element(rows_.begin(), kth, rows_.end(),
                     [](const Candidate& a, const Candidate& b) { return a.lower > b.lower; });
    floor_ = std::max(floor_, kth->lower);
  }
  const auto out = [this](const Candidate& row) { return row.upper < floor_; };
  rows_.erase(std::remove_if(rows_.begin(), rows_.end(), out), rows_.end());
}

}  // namespace fr
