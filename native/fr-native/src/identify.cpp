#include "identify.hpp"

#include <algorithm>
#include <limits>
#include <numeric>
#include <tuple>
#include <utility>

#include "gallery.hpp"

namespace fr {
namespace {

constexpr float kNoScore = -std::numeric_limits<float>::infinity();

// Gallery positions ordered by subject, so that a subject's rows follow each other.
struct Subjects {
  explicit Subjects(Span<std::int64_t> gallery_ids) : order(gallery_ids.size) {
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return gallery_ids[a] < gallery_ids[b]; });
    for (const std::size_t row : order) ids.push_back(gallery_ids[row]);
  }

  std::pair<std::size_t, std::size_t> positions_of(std::int64_t id) const {
    const auto range = std::equal_range(ids.begin(), ids.end(), id);
    return {static_cast<std::size_t>(range.first - ids.begin()),
            static_cast<std::size_t>(range.second - ids.begin())};
  }

  std::vector<std::size_t> order;
  std::vector<std::int64_t> ids;  // by position, ascending
};

// What one probe has seen of the gallery so far.
class ProbeState {
 public:
  ProbeState(const float* probe, std::int64_t id, const Gallery& gallery, const Subjects& subjects,
             const IdentifyOptions& options, float mate_elsewhere)
      : probe_(probe),
        gallery_(gallery),
        subjects_(subjects),
        per_template_(options.per_template),
        top_(options.k),
        k_(options.k) {
    std::tie(mates_begin_, mates_end_) = subjects.positions_of(id);
    for (std::size_t p = mates_begin_; p < mates_end_; ++p) {
      mate_score_ = std::max(mate_score_, gallery.score(probe, p));
    }
    reference_ = mates_begin_ < mates_end_ ? mate_score_ : mate_elsewhere;
  }

  // Returns the new floor.
  float visit(const PanelBounds& panel) {
    for (std::size_t c = 0; c < kPanelRows; ++c) {
      if ((panel.reach >> c & 1) != 0) consider(panel.first + c, panel.upper[c], panel.lower(c));
    }
    return floor();
  }

  void store(std::size_t probe, Identification& result) {
    close_subject();
    result.mate_score[probe] = mate_score_;
    result.above[probe] = above_;
    result.tied[probe] = tied_;
    result.non_mate_score[probe] = best_.score;
    result.non_mate_index[probe] = best_.index;
    top_.drain(result.scores.data() + probe * k_, result.indices.data() + probe * k_);
  }

 private:
  enum class Against { kBelow, kTied, kAbove };

  bool ranks() const { return reference_ > kNoScore; }

  // A score below this changes nothing.
  float floor() const {
    float lowest = best_.score;
    if (ranks()) lowest = std::min(lowest, reference_);
    return k_ > 0 ? std::min(lowest, top_.floor()) : lowest;
  }

  void consider(std::size_t position, float upper, float lower) {
    const bool is_mate = position >= mates_begin_ && position < mates_end_;
    const bool may_be_best = !is_mate && upper >= best_.score;
    const bool may_enter_top = k_ > 0 && upper >= top_.floor();
    const bool may_tie = !is_mate && ranks() && upper >= reference_ && lower <= reference_;
    float score = lower;  // enough for a rival that is certainly above, or certainly below
    if (may_be_best || may_enter_top || may_tie) {
      score = gallery_.score(probe_, position);
      const Neighbour row{score, gallery_.row_at(position)};
      if (may_enter_top) top_.offer(row);
      if (may_be_best && (best_.index < 0 || precedes(row, best_))) best_ = row;
    }
    if (!is_mate && ranks()) rank(position, score);
  }

  // Keeps the better of a subject's rows; a subject is counted when the next one begins.
  void rank(std::size_t position, float score) {
    if (score < reference_) return;
    if (per_template_ || subjects_.ids[position] != subject_) close_subject();
    subject_ = subjects_.ids[position];
    if (score > reference_) {
      against_ = Against::kAbove;
    } else if (against_ == Against::kBelow) {
      against_ = Against::kTied;
    }
  }

  void close_subject() {
    above_ += against_ == Against::kAbove;
    tied_ += against_ == Against::kTied;
    against_ = Against::kBelow;
  }

  const float* probe_;
  const Gallery& gallery_;
  const Subjects& subjects_;
  bool per_template_;
  TopK top_;
  std::size_t k_;
  std::size_t mates_begin_ = 0;
  std::size_t mates_end_ = 0;
  float mate_score_ = kNoScore;
  float reference_ = kNoScore;  // what non-mates are counted against
  Neighbour best_{kNoScore, -1};
  std::int64_t subject_ = 0;
  Against against_ = Against::kBelow;
  std::int64_t above_ = 0;
  std::int64_t tied_ = 0;
};

Identification blank(std::size_t probes, std::size_t k) {
  return {std::vector<float>(probes),           std::vector<std::int64_t>(probes),
          std::vector<std::int64_t>(probes),    std::vector<float>(probes),
          std::vector<std::int64_t>(probes),    std::vector<float>(probes * k),
          std::vector<std::int64_t>(probes * k)};
}

}  // namespace

Identification identify(const Rows& probe_rows, const Rows& gallery_rows, Span<std::int64_t> probe_ids,
                        Span<std::int64_t> gallery_ids, const IdentifyOptions& options, const Run& run) {
  const Subjects subjects(gallery_ids);
  const Gallery gallery(gallery_rows, "gallery", run, subjects.order);
  const UnitRows probes(probe_rows, "probes", run);
  Identification result = blank(probes.size(), options.k);
  const std::size_t blocks = (probes.size() + kQueryBlock - 1) / kQueryBlock;
  parallel_blocks(blocks, run, [&](std::size_t block, const StopFlag& stop) {
    const std::size_t begin = block * kQueryBlock;
    const std::size_t end = std::min(probes.size(), begin + kQueryBlock);
    std::vector<ProbeState> states;
    states.reserve(end - begin);
    for (std::size_t p = begin; p < end; ++p) {
      const float elsewhere = options.mate_elsewhere.size > 0 ? options.mate_elsewhere[p] : kNoScore;
      states.emplace_back(probes.row(p), probe_ids[p], gallery, subjects, options, elsewhere);
    }
    gallery.scan(probes, begin, end, stop, [&](std::size_t probe, const PanelBounds& panel) {
      return states[probe - begin].visit(panel);
    });
    for (std::size_t p = begin; p < end && !stop; ++p) states[p - begin].store(p, result);
  });
  return result;
}

}  // namespace fr
