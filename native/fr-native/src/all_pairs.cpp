#include "all_pairs.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <mutex>
#include <numeric>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <utility>

#include "bits.hpp"
#include "scan.hpp"
#include "score_key.hpp"

namespace fr {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// Rows by group, then id; every group begins a new panel, so that a panel has one group.
std::vector<std::int64_t> grouped_order(Span<std::int64_t> ids, Span<std::int64_t> groups) {
  std::vector<std::int64_t> rows(ids.size);
  std::iota(rows.begin(), rows.end(), std::int64_t{0});
  const auto key = [&](std::int64_t row) {
    const auto at = static_cast<std::size_t>(row);
    return std::make_pair(groups[at], ids[at]);
  };
  std::stable_sort(rows.begin(), rows.end(), [&](std::int64_t a, std::int64_t b) { return key(a) < key(b); });
  std::vector<std::int64_t> order;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const bool new_group = i > 0 && key(rows[i]).first != key(rows[i - 1]).first;
    while (new_group && order.size() % kPanelRows != 0) order.push_back(kAbsent);
    order.push_back(rows[i]);
  }
  while (order.size() % kPanelRows != 0) order.push_back(kAbsent);
  return order;
}

void check_groups(Span<std::int64_t> groups, std::size_t n_groups, std::size_t rows) {
  const auto inside = [n_groups](std::int64_t group) {
    return group >= 0 && static_cast<std::size_t>(group) < n_groups;
  };
  if (n_groups > kMostGroups) {
    throw std::invalid_argument(std::to_string(n_groups) + " groups, expected at most " +
                                std::to_string(kMostGroups));
  }
  if (groups.size != rows || !std::all_of(groups.begin(), groups.end(), inside)) {
    throw std::invalid_argument("groups: expected a number below " + std::to_string(n_groups) +
                                " for each of " + std::to_string(rows) + " rows");
  }
}

void check_brackets(const std::vector<Bracket>& brackets) {
  const auto whole = [](const Bracket& bracket) { return bracket.low <= bracket.high; };
  const auto overlap = [](const Bracket& a, const Bracket& b) { return !(a.high < b.low); };
  if (brackets.empty() || !std::all_of(brackets.begin(), brackets.end(), whole) ||
      std::adjacent_find(brackets.begin(), brackets.end(), overlap) != brackets.end()) {
    throw std::invalid_argument("brackets: expected at least one, ascending, that share no score");
  }
}

// Sorts in place and counts the equal ones.
void run_lengths(std::vector<std::uint64_t>& keys, std::vector<std::int64_t>& counts) {
  std::sort(keys.begin(), keys.end());
  std::size_t kept = 0;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (i > 0 && keys[i] == keys[kept - 1]) {
      ++counts[kept - 1];
    } else {
      keys[kept++] = keys[i];
      counts.push_back(1);
    }
  }
  keys.resize(kept);
}

}  // namespace

PairCounter::PairCounter(const Rows& rows, Span<std::int64_t> ids, Span<std::int64_t> groups,
                         std::size_t n_groups, const Rows& axes, const Run& run)
    : kernel_(kernels()),
      rows_(rows, "embeddings", run),
      panels_(rows_, grouped_order(ids, groups), subspace_of(rows_, axes), run),
      n_groups_(n_groups),
      panel_group_(panels_.count()),
      subject_(panels_.order().size(), kAbsent) {
  check_groups(groups, n_groups, ids.size);
  std::unordered_map<std::int64_t, std::int64_t> subject_of;
  for (std::size_t p = 0; p < subject_.size(); ++p) {
    if (panels_.row_at(p) == kAbsent) continue;
    const auto row = static_cast<std::size_t>(panels_.row_at(p));
    panel_group_[p / kPanelRows] = groups[row];
    const auto subject = subject_of.emplace(ids[row], static_cast<std::int64_t>(ranges_of_.size())).first;
    subject_[p] = subject->second;
    if (static_cast<std::size_t>(subject->second) == ranges_of_.size()) ranges_of_.emplace_back();
    auto& ranges = ranges_of_[static_cast<std::size_t>(subject->second)];
    const auto at = static_cast<std::int64_t>(p);
    if (ranges.empty() || ranges.back().end != at) ranges.push_back({at, at});
    ranges.back().end = at + 1;
  }
}

// The rows of the panel from `first` on that are of the same subject as `position`.
std::uint32_t PairCounter::same_subject(std::size_t position, std::size_t first) const {
  std::uint32_t same = 0;
  const auto from = static_cast<std::int64_t>(first);
  for (const Range& range : ranges_of_[static_cast<std::size_t>(subject_[position])]) {
    same |= bit_range(range.begin - from, range.end - from);
  }
  return same;
}

// Counts one strip.
class PairCounter::Strip {
 public:
  Strip(const PairCounter& counter, const std::vector<Bracket>& brackets, std::size_t first,
        std::size_t count)
      : counter_(counter),
        brackets_(brackets),
        first_(first),
        queries_(counter.rows_, counter.panels_.order().data() + first, count, counter.panels_.subspace(),
                 counter.kernel_.tile.rows),
        sure_(brackets.size()),
        above_(brackets.size() * counter.cells(), 0) {
    for (const Bracket& bracket : brackets) above_high_.push_back(std::nextafter(bracket.high, kInfinity));
  }

  void scan_all(const StopFlag& stop) {
    std::vector<float> floors(queries_.count, brackets_.front().low);
    for (std::size_t q = 0; q < queries_.count; ++q) {
      if (counter_.panels_.row_at(first_ + q) == kAbsent) {
        floors[q] = kInfinity;
      }
    }
    scan(counter_.kernel_.tile, queries_, counter_.panels_, first_ / kPanelRows, counter_.panels_.count(),
         floors, stop, [&](std::size_t q, const PanelBounds& panel) {
           visit(q, panel);
           return floors[q];
         });
    if (!stop) decide_pending();
  }

  void add_to(std::vector<std::int64_t>& above, std::vector<std::uint64_t>& found) const {
    for (std::size_t i = 0; i < above.size(); ++i) above[i] += above_[i];
    found.insert(found.end(), found_.begin(), found_.end());
  }

 private:
  // A pair that bounds do not decide.
  struct Pending {
    std::size_t query;
    std::size_t position;
    std::size_t cell;
  };

  // Brackets ascend, so rows that do not reach one reach none of those that follow.
  void visit(std::size_t q, const PanelBounds& panel) {
    const std::size_t position = first_ + q;
    const auto after = static_cast<std::ptrdiff_t>(position + 1) - static_cast<std::ptrdiff_t>(panel.first);
    const std::uint32_t later = panel.reach & bit_range(after, kPanelRows);
    if (later == 0) return;
    float lower[kPanelRows];
    for (std::size_t c = 0; c < kPanelRows; ++c) lower[c] = panel.lower(c);
    const auto reaching = counter_.kernel_.row.reaching;
    std::uint32_t unsure = 0;
    std::size_t reached = 0;
    for (; reached < brackets_.size(); ++reached) {
      const std::uint32_t reach = reaching(panel.upper, brackets_[reached].low) & later;
      if (reach == 0) break;
      sure_[reached] = reaching(lower, above_high_[reached]) & reach;
      unsure |= reach & ~sure_[reached];
    }
    const std::uint32_t same = counter_.same_subject(position, panel.first);
    const std::size_t genuine = cell(position, panel.first);
    const std::size_t impostor = genuine + counter_.cells() / 2;
    for (std::size_t b = 0; b < reached; ++b) {
      const std::uint32_t sure = sure_[b] & ~unsure;
      if (sure == 0) break;
      above(b, genuine) += bit_count(sure & same);
      above(b, impostor) += bit_count(sure & ~same);
    }
    if (panel.first != pending_panel_) {
      decide_pending();
      pending_panel_ = panel.first;
    }
    for_each_bit(unsure & ~fetched_, [&](std::size_t c) {
      counter_.rows_.prefetch(static_cast<std::size_t>(counter_.panels_.row_at(panel.first + c)));
    });
    fetched_ |= unsure;
    for_each_bit(unsure, [&](std::size_t c) {
      pending_.push_back({q, panel.first + c, (same >> c & 1) != 0 ? genuine : impostor});
    });
  }

  // Pairs of a panel wait until it is scanned: meanwhile its float32 rows come from memory.
  void decide_pending() {
    for (const Pending& pair : pending_) decide(pair);
    pending_.clear();
    fetched_ = 0;
  }

  void decide(const Pending& pair) {
    const auto row = static_cast<std::size_t>(counter_.panels_.row_at(pair.position));
    const float* unit = queries_.unit(pair.query);
    const auto near = counter_.rows_.approximate(unit, row);
    const auto undecided = [&](const Bracket& bracket) {
      return near.score + near.error >= bracket.low && near.score - near.error <= bracket.high;
    };
    const bool exact = std::any_of(brackets_.begin(), brackets_.end(), undecided);
    const float score = exact ? counter_.rows_.score(unit, row) : near.score;
    for (std::size_t b = 0; b < brackets_.size() && score >= brackets_[b].low; ++b) {
      if (score > brackets_[b].high) {
        ++above(b, pair.cell);
      } else {
        found_.push_back((b * counter_.cells() + pair.cell) << 32 | key_of(score));
      }
    }
  }

  std::size_t cell(std::size_t a, std::size_t b) const {
    const auto groups =
        std::minmax(counter_.panel_group_[a / kPanelRows], counter_.panel_group_[b / kPanelRows]);
    return static_cast<std::size_t>(groups.first) * counter_.n_groups_ +
           static_cast<std::size_t>(groups.second);
  }

  std::int64_t& above(std::size_t bracket, std::size_t cell) {
    return above_[bracket * counter_.cells() + cell];
  }

  const PairCounter& counter_;
  const std::vector<Bracket>& brackets_;
  std::size_t first_;
  QueryBlock queries_;
  std::vector<float> above_high_;    // the next float above each bracket
  std::vector<std::uint32_t> sure_;  // by bracket: rows of the panel that are above it
  std::vector<std::int64_t> above_;
  std::vector<Pending> pending_;
  std::size_t pending_panel_ = 0;  // its first position
  std::uint32_t fetched_ = 0;      // rows of that panel
  std::vector<std::uint64_t> found_;
};

PairCounts PairCounter::count(Span<std::int64_t> strips_wanted, const std::vector<Bracket>& brackets,
                              const Run& run) const {
  check_brackets(brackets);
  for (const std::int64_t strip : strips_wanted) {
    if (strip < 0 || static_cast<std::size_t>(strip) >= strips()) {
      throw std::invalid_argument("strip " + std::to_string(strip) + ", expected 0 to " +
                                  std::to_string(strips() - 1));
    }
  }
  PairCounts result;
  result.above.assign(brackets.size() * cells(), 0);
  std::mutex mutex;
  parallel_blocks(strips_wanted.size, run, [&](std::size_t n, const StopFlag& stop) {
    const std::size_t first = static_cast<std::size_t>(strips_wanted[n]) * kStripRows;
    Strip strip(*this, brackets, first, std::min(kStripRows, panels_.order().size() - first));
    strip.scan_all(stop);
    const std::lock_guard<std::mutex> lock(mutex);
    strip.add_to(result.above, result.scores);
  });
  run_lengths(result.scores, result.counts);
  return result;
}

}  // namespace fr
