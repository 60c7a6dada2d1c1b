#include "top_k.hpp"

#include <algorithm>
#include <functional>
#include <limits>

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

void TopK::drain(float* scores, std::int64_t* indices) {
  std::sort_heap(heap_.begin(), heap_.end(), precedes);
  for (std::size_t i = 0; i < heap_.size(); ++i) {
    scores[i] = heap_[i].score;
    indices[i] = heap_[i].index;
  }
  heap_.clear();
}

float Candidates::floor() const {
  return lower_.size() < k_ ? -std::numeric_limits<float>::infinity() : lower_.front();
}

void Candidates::add(float lower, float upper, std::size_t position) {
  rows_.push_back({upper, position});
  if (lower_.size() == k_ && lower > lower_.front()) {
    std::pop_heap(lower_.begin(), lower_.end(), std::greater<>());
    lower_.pop_back();
  }
  if (lower_.size() < k_) {
    lower_.push_back(lower);
    std::push_heap(lower_.begin(), lower_.end(), std::greater<>());
  }
  if (rows_.size() >= next_drop_) drop_below_floor();
}

void Candidates::drop_below_floor() {
  const float lowest = floor();
  const auto out = [lowest](const Candidate& row) { return row.upper < lowest; };
  rows_.erase(std::remove_if(rows_.begin(), rows_.end(), out), rows_.end());
  next_drop_ = 2 * rows_.size() + 1024;
}

const std::vector<Candidates::Candidate>& Candidates::sorted() {
  drop_below_floor();
  std::sort(rows_.begin(), rows_.end(),
            [](const Candidate& a, const Candidate& b) { return a.upper > b.upper; });
  return rows_;
}

}  // namespace fr
