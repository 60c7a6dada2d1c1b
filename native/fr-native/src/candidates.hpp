// The rows of a panel scan that may be among a query's k best, scored as late as possible.
//
// Rows collect by their int8 bounds. Now and then a floor is found that the lower bounds of k rows reach, and
// rows that cannot reach it are out. Of what is left at the end, float32 dot products give much tighter
// bounds; what these leave, few more than k rows, is scored in float64.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "bits.hpp"
#include "gallery.hpp"
#include "scan.hpp"
#include "top_k.hpp"

namespace fr {

class Candidates {
 public:
  // `unit` is the query's unit row. Rows below `floor` are known not to be among the best.
  Candidates(const Gallery& gallery, const float* unit, std::size_t k, float floor)
      : gallery_(&gallery), unit_(unit), k_(k), floor_(floor), next_drop_(pause()), top_(k) {}

  float floor() const { return floor_; }

  // Takes rows of a panel, a bit each.
  void add(const PanelBounds& panel, std::uint32_t rows) {
    for_each_bit(rows, [&](std::size_t c) {
      lower_.push_back(panel.lower(c));
      upper_.push_back(panel.upper[c]);
      position_.push_back(static_cast<std::uint32_t>(panel.first + c));
    });
    if (size() >= next_drop_) drop();
  }

  // Best first; the object is empty afterwards.
  std::vector<Neighbour> resolve();

 private:
  // Rows to collect between two drops: dropping costs time, collecting rows that are out costs more.
  std::size_t pause() const { return 64 + 2 * k_; }
  std::size_t size() const { return position_.size(); }

  void drop();
  void raise_floor();
  // Rows that cannot reach the floor are out.
  void cut();
  std::size_t best_first();
  void refine(std::size_t begin, std::size_t end);
  void score_all();

  const Gallery* gallery_;
  const float* unit_;
  std::size_t k_;
  float floor_;
  std::size_t next_drop_;
  TopK top_;
  std::vector<float> lower_;
  std::vector<float> upper_;
  std::vector<std::uint32_t> position_;
};

}  // namespace fr
