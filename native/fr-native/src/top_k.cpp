#include "top_k.hpp"

#include <algorithm>
#include <limits>
#include <utility>

namespace fr {

float TopK::floor() const {
  return best_.size() < k_ ? -std::numeric_limits<float>::infinity() : best_.front().score;
}

void TopK::offer(const Neighbour& candidate) {
  if (best_.size() < k_) {
    best_.push_back(candidate);
    if (best_.size() == k_) std::make_heap(best_.begin(), best_.end(), Precedes());
    return;
  }
  if (k_ == 0 || !Precedes()(candidate, best_.front())) return;
  std::pop_heap(best_.begin(), best_.end(), Precedes());
  best_.back() = candidate;
  std::push_heap(best_.begin(), best_.end(), Precedes());
}

std::vector<Neighbour> TopK::drain() {
  std::sort(best_.begin(), best_.end(), Precedes());
  return std::exchange(best_, {});
}

}  // namespace fr
