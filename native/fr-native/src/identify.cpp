#include "identify.hpp"

#include <algorithm>
#include <limits>
#include <numeric>
#include <tuple>
#include <utility>

#include "bits.hpp"
#include "candidates.hpp"
#include "gallery.hpp"
#include "scan.hpp"

namespace fr {
namespace {

constexpr float kNoScore = -std::numeric_limits<float>::infinity();

// Gallery rows ordered by subject, so that a subject's rows follow each other.
struct Subjects {
  explicit Subjects(Span<std::int64_t> gallery_ids) : order(gallery_ids.size) {
    std::iota(order.begin(), order.end(), std::int64_t{0});
    const auto id_of = [&](std::int64_t row) { return gallery_ids[static_cast<std::size_t>(row)]; };
    std::stable_sort(order.begin(), order.end(),
                     [&](std::int64_t a, std::int64_t b) { return id_of(a) < id_of(b); });
    for (const std::int64_t row : order) ids.push_back(id_of(row));
    distinct = std::adjacent_find(ids.begin(), ids.end()) == ids.end();
  }

  std::pair<std::size_t, std::size_t> positions_of(std::int64_t id) const {
    const auto range = std::equal_range(ids.begin(), ids.end(), id);
    return {static_cast<std::size_t>(range.first - ids.begin()),
            static_cast<std::size_t>(range.second - ids.begin())};
  }

  std::vector<std::int64_t> order;
  std::vector<std::int64_t> ids;  // by position, ascending
  bool distinct = false;          // no two rows of one subject
};

// What one probe has seen of the gallery so far. Its mates are scored at once, its non-mates collect as
// candidates; those that may outrank the mate are counted by their bounds where these suffice.
class ProbeState {
 public:
  ProbeState(const float* probe, std::int64_t id, const Gallery& gallery, const Subjects& subjects,
             const IdentifyOptions& options, float mate_elsewhere)
      : probe_(probe),
        gallery_(gallery),
        subjects_(subjects),
        options_(options),
        counts_rows_(options.per_template || subjects.distinct),
        non_mates_(gallery, probe, std::max<std::size_t>(options.k, 1), kNoScore) {
    std::tie(mates_begin_, mates_end_) = subjects.positions_of(id);
    for (std::size_t p = mates_begin_; p < mates_end_; ++p) mates_.push_back(gallery.neighbour(probe, p));
    for (const auto& mate : mates_) mate_score_ = std::max(mate_score_, mate.score);
    reference_ = mates_.empty() ? mate_elsewhere : mate_score_;
  }

  // A score below this changes nothing.
  float floor() const { return ranks() ? std::min(non_mates_.floor(), reference_) : non_mates_.floor(); }

  void visit(const PanelBounds& panel) {
    const auto first = static_cast<std::ptrdiff_t>(panel.first);
    const std::uint32_t mates = bit_range(static_cast<std::ptrdiff_t>(mates_begin_) - first,
                                          static_cast<std::ptrdiff_t>(mates_end_) - first);
    const std::uint32_t rivals = panel.reach & ~mates;
    if (ranks()) rank(panel, rivals & gallery_.kernel().row.reaching(panel.upper, reference_));
    non_mates_.add(panel, rivals);
  }

  void store(std::size_t probe, Identification& result) {
    close_subject();
    const std::vector<Neighbour> rivals = non_mates_.resolve();
    TopK top(options_.k);
    for (const auto& row : rivals) top.offer(row);
    for (const auto& row : mates_) top.offer(row);
    result.mate_score[probe] = mate_score_;
    result.above[probe] = above_;
    result.tied[probe] = tied_;
    result.non_mate_score[probe] = rivals.empty() ? kNoScore : rivals.front().score;
    result.non_mate_index[probe] = rivals.empty() ? -1 : rivals.front().index;
    std::size_t at = probe * options_.k;
    for (const auto& row : top.drain()) {
      result.scores[at] = row.score;
      result.indices[at++] = row.index;
    }
  }

 private:
  enum class Against { kBelow, kTied, kAbove };

  bool ranks() const { return reference_ > kNoScore; }

  // Counts rows that may reach the reference, by their bounds where these suffice.
  void rank(const PanelBounds& panel, std::uint32_t rows) {
    if (rows == 0) return;
    std::uint32_t above = 0;
    for_each_bit(rows, [&](std::size_t c) { above |= std::uint32_t{panel.lower(c) > reference_} << c; });
    if (counts_rows_) {
      above_ += bit_count(above);
      rows &= ~above;
    }
    for_each_bit(rows, [&](std::size_t c) { rank(panel.first + c, (above >> c & 1) != 0); });
  }

  // Keeps the better of a subject's rows; a subject is counted when the next one begins.
  void rank(std::size_t position, bool above) {
    if (counts_rows_ || subjects_.ids[position] != subject_) close_subject();
    subject_ = subjects_.ids[position];
    if (against_ != Against::kAbove)
      against_ = std::max(against_, above ? Against::kAbove : against(position));
  }

  Against against(std::size_t position) const {
    const auto near = gallery_.approximate(probe_, position);
    if (near.score + near.error < reference_) return Against::kBelow;
    if (near.score - near.error > reference_) return Against::kAbove;
    const float score = gallery_.neighbour(probe_, position).score;
    if (score < reference_) return Against::kBelow;
    return score > reference_ ? Against::kAbove : Against::kTied;
  }

  void close_subject() {
    above_ += against_ == Against::kAbove;
    tied_ += against_ == Against::kTied;
    against_ = Against::kBelow;
  }

  const float* probe_;
  const Gallery& gallery_;
  const Subjects& subjects_;
  const IdentifyOptions& options_;
  bool counts_rows_;  // not subjects by their best row
  Candidates non_mates_;
  std::vector<Neighbour> mates_;
  std::size_t mates_begin_ = 0;
  std::size_t mates_end_ = 0;
  float mate_score_ = kNoScore;
  float reference_ = kNoScore;  // what non-mates are counted against
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
  const Gallery gallery(gallery_rows, "gallery", run, {}, subjects.order);
  const NormedRows probes(probe_rows, "probes", run);
  std::vector<std::int64_t> all(probes.size());
  std::iota(all.begin(), all.end(), std::int64_t{0});
  Identification result = blank(probes.size(), options.k);
  const std::size_t per_block = std::min(kQueryBlock, (probes.size() + run.threads - 1) / run.threads);
  const std::size_t blocks = (probes.size() + per_block - 1) / per_block;
  parallel_blocks(blocks, run, [&](std::size_t number, const StopFlag& stop) {
    const std::size_t begin = number * per_block;
    const std::size_t count = std::min(per_block, probes.size() - begin);
    const QueryBlock block(probes, all.data() + begin, count, gallery.panels().subspace(),
                           gallery.kernel().tile.rows);
    std::vector<ProbeState> states;
    std::vector<float> floors;
    states.reserve(count);
    for (std::size_t q = 0; q < count; ++q) {
      const float elsewhere = options.mate_elsewhere.size > 0 ? options.mate_elsewhere[begin + q] : kNoScore;
      states.emplace_back(block.unit(q), probe_ids[begin + q], gallery, subjects, options, elsewhere);
      floors.push_back(states.back().floor());
    }
    scan(gallery.kernel().tile, block, gallery.panels(), 0, gallery.panels().count(), floors, stop,
         [&](std::size_t q, const PanelBounds& panel) {
           states[q].visit(panel);
           return states[q].floor();
         });
    for (std::size_t q = 0; q < count && !stop; ++q) states[q].store(begin + q, result);
  });
  return result;
}

}  // namespace fr
