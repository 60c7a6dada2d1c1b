#include "top_k.hpp"

#include <algorithm>
#include <limits>
#include <utility>

namespace fr {

float TopK::floor() const {
  return heap_.size() < k_ ? -std::numeric_limits<float>::infinity() : heap_.front().score;
}

void TopK::offer(const Neighbour& candidate) {
  if (heap_.size() == k_) {
    if (k_ == 0 || !Precedes()(candidate, heap_.front())) return;
    std::pop_heap(heap_.begin(), heap_.end(), Precedes());
    heap_.pop_back();
  }
  heap_.push_back(candidate);
  std::push_heap(heap_.begin(), heap_.end(), Precedes());
}

std::vector<Neighbour> TopK::drain() {
  std::sort_heap(heap_.begin(), heap_.end(), Precedes());
  return std::exchange(heap_, {});
}

}  // namespace fr
