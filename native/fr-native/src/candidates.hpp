// The rows of a panel scan that may be among a query's k best, scored as late as possible.
//
// Rows collect by their int8 bounds. When enough have come, the k that look best get the much tighter bounds
// of a float32 dot product; the least of their lower bounds is a floor, and rows that cannot reach it are
// out. What is left at the end, few more than k rows, is scored in float64.
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
      rows_.push_back({panel.lower(c), panel.upper[c], static_cast<std::uint32_t>(panel.first + c), false});
    });
    if (rows_.size() >= next_drop_) drop();
  }

  // Best first; the object is empty afterwards.
  std::vector<Neighbour> resolve();

 private:
  struct Row {
    float lower;
    float upper;
    std::uint32_t position;
    bool refined;
  };
  // Rows to collect between two drops: dropping costs time, collecting rows that are out costs more.
  std::size_t pause() const { return 128 + 2 * k_; }

  void drop();
  void refine(Row& row) const;
  // Rows that cannot reach the floor are out.
  void cut();
  void score_all();

  const Gallery* gallery_;
  const float* unit_;
  std::size_t k_;
  float floor_;
  std::size_t next_drop_;
  TopK top_;
  std::vector<Row> rows_;
};

}  // namespace fr
