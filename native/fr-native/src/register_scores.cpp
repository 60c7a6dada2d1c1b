#include <pybind11/stl.h>

#include "arrays.hpp"
#include "kernels/kernels.hpp"
#include "register.hpp"
#include "score_counts.hpp"
#include "score_histogram.hpp"
#include "sort_scores.hpp"

namespace fr {
namespace {

py::array sort_array(const py::object& scores, const py::object& threads) {
  py::array sorted;
  with_scores(scores, "scores", [&](auto values) {
    using Score = std::decay_t<decltype(values[0])>;
    Array<Score> result(static_cast<py::ssize_t>(values.size));
    void* memory = result.mutable_data();
    run_released(threads, [&](const Run& run) { sort_scores(values, memory, run); });
    sorted = std::move(result);
  });
  return sorted;
}

py::array thresholds_array(const py::object& impostor, const py::object& fars, const py::object& threads) {
  const Array<double> targets = double_vector(fars, "fars");
  py::array thresholds;
  with_scores(impostor, "impostor", [&](auto values) {
    using Score = std::decay_t<decltype(values[0])>;
    std::vector<Score> result;
    run_released(threads, [&](const Run& run) { result = far_thresholds(values, span_of(targets), run); });
    thresholds = to_array(std::move(result));
  });
  return thresholds;
}

Array<std::int64_t> count_accepted(const py::object& scores, const char* what,
                                   const Array<double>& thresholds, const py::object& threads) {
  std::vector<std::int64_t> counts;
  with_scores(scores, what, [&](auto values) {
    run_released(threads,
                 [&](const Run& run) { counts = accepted_counts(values, span_of(thresholds), run); });
  });
  return to_array(std::move(counts));
}

py::tuple counts_arrays(const py::object& genuine, const py::object& impostor, const py::object& thresholds,
                        const py::object& threads) {
  const Array<double> at = double_vector(thresholds, "thresholds");
  return py::make_tuple(count_accepted(genuine, "genuine", at, threads),
                        count_accepted(impostor, "impostor", at, threads));
}

Array<double> tpir_array(const py::object& mate_scores, const py::object& mate_ranks,
                         const py::object& thresholds, const py::object& ranks, const py::object& threads) {
  const Array<std::int64_t> mates = id_vector(mate_ranks, "mate_ranks");
  const Array<double> at = double_vector(thresholds, "thresholds");
  const Array<std::int64_t> within = id_vector(ranks, "ranks");
  const auto n_mated = static_cast<double>(score_array(mate_scores, "mate_scores").size());
  if (n_mated == 0) throw py::value_error("mate_scores is empty: TPIR needs mated probes");
  std::vector<std::int64_t> counts;
  with_scores(mate_scores, "mate_scores", [&](auto scores) {
    run_released(threads, [&](const Run& run) {
      counts = identified_counts(scores, span_of(mates), span_of(at), span_of(within), run);
    });
  });
  std::vector<double> rates;
  rates.reserve(counts.size());
  for (const std::int64_t count : counts) {
    rates.push_back(static_cast<double>(count) / n_mated);
  }
  return to_array(std::move(rates), {within.size(), at.size()});
}

void update_histogram(ScoreHistogram& histogram, const py::object& scores, const py::object& threads) {
  const Array<float> values = converted_finite<float>(score_array(scores, "scores"), "score");
  ScoreHistogram added = histogram.emptied();  // what other threads do to `histogram` meanwhile is not lost
  run_released(threads, [&](const Run& run) { added.update(span_of(values), run); });
  histogram.merge(added);
}

void merge_histogram(ScoreHistogram& histogram, const py::object& other) {
  if (!py::isinstance<ScoreHistogram>(other)) reject_type("other", "a ScoreHistogram", other);
  histogram.merge(other.cast<const ScoreHistogram&>());
}

constexpr const char* kSortDoc = R"(Return scores in ascending order; -0 becomes +0.

float16 becomes float32, and anything longer than float32 float64, here as in every function of scores.

Parameters
----------
scores : array of float, shape (N,)
threads : int, optional

Raises
------
ValueError
    A NaN (the first is named), more than one dimension.
)";

constexpr const char* kThresholdsDoc = R"(Return the exact thresholds at target false accept rates (FAR).

The threshold at FAR f is the smallest score v with count(score >= v) / N <= f in float64 division, ties whole;
if there is none, the next float above the largest score. float32 scores are counted in two passes, not sorted.

Parameters
----------
impostor : array of float, shape (N,)
fars : array of float, shape (F,)
    Targets in [0, 1].
threads : int, optional

Returns
-------
ndarray of float32 or float64 as the scores are, shape (F,)

Raises
------
ValueError
    No scores, a NaN, a target outside [0, 1], a score of +inf where all must be rejected.
)";

constexpr const char* kCountsDoc =
    R"(Count the scores that reach each threshold: score >= threshold, compared in float64.

Parameters
----------
genuine : array of float, shape (M,)
impostor : array of float, shape (N,)
thresholds : array of float, shape (T,)
    In any order.
threads : int, optional

Returns
-------
accepted, false_accepts : ndarray of int64, shape (T,)

Raises
------
ValueError
    A NaN among scores or thresholds (named).
)";

constexpr const char* kTpirDoc = R"(Return true positive identification rates at thresholds and ranks.

Parameters
----------
mate_scores : array of float, shape (M,)
    One a mated probe.
mate_ranks : array of int, shape (M,)
    Ranks of the mates, from 1; 0 for a mate that was not found.
thresholds : array of float, shape (T,)
ranks : array of int, shape (R,)
threads : int, optional

Returns
-------
ndarray of float64, shape (R, T)
    Share of probes with mate_rank in [1, rank] and score >= threshold.
)";

constexpr const char* kHistogramDoc =
    R"(Exact FAR thresholds of float32 scores that arrive in shards, in any order.

Two passes over the scores, whatever their number, in up to a megabyte a target: update() with every shard,
fine = refine(fars), fine.update() with every shard again, fine.far_thresholds(fars). Histograms of the same
stage add up by merge(), so shards may be counted by different processes.

Examples
--------
>>> import numpy as np
>>> shards = [np.float32([0.1, 0.4]), np.float32([0.2, 0.3])]
>>> histogram = ScoreHistogram()
>>> for shard in shards: histogram.update(shard)
>>> fine = histogram.refine([0.25])
>>> for shard in shards: fine.update(shard)
>>> fine.far_thresholds([0.25])
array([0.4], dtype=float32)
)";

}  // namespace

void register_scores(py::module_& module) {
  module.def("sort_scores", &sort_array, py::arg("scores"), py::kw_only(), py::arg("threads") = py::none(),
             kSortDoc);
  module.def("far_thresholds", &thresholds_array, py::arg("impostor"), py::arg("fars"), py::kw_only(),
             py::arg("threads") = py::none(), kThresholdsDoc);
  module.def("score_counts", &counts_arrays, py::arg("genuine"), py::arg("impostor"), py::arg("thresholds"),
             py::kw_only(), py::arg("threads") = py::none(), kCountsDoc);
  module.def("tpir", &tpir_array, py::arg("mate_scores"), py::arg("mate_ranks"), py::arg("thresholds"),
             py::arg("ranks"), py::kw_only(), py::arg("threads") = py::none(), kTpirDoc);
  py::class_<ScoreHistogram>(module, "ScoreHistogram", kHistogramDoc)
      .def(py::init<>())
      .def("update", &update_histogram, py::arg("scores"), py::kw_only(), py::arg("threads") = py::none(),
           "Count scores: shape (N,), float32, or float64 rounded to float32.")
      .def("merge", &merge_histogram, py::arg("other"),
           "Add the counts of a histogram of other scores in the same stage.")
      .def(
          "refine",
          [](const ScoreHistogram& histogram, const py::object& fars) {
            const Array<double> targets = double_vector(fars, "fars");
            return histogram.refine(span_of(targets));
          },
          py::arg("fars"),
          "Return the second stage for these targets: empty, to be updated with all scores again.")
      .def(
          "far_thresholds",
          [](const ScoreHistogram& histogram, const py::object& fars) {
            const Array<double> targets = double_vector(fars, "fars");
            return to_array(histogram.far_thresholds(span_of(targets)));
          },
          py::arg("fars"),
          "Return thresholds as far_thresholds() does; RuntimeError before the second stage is complete.")
      .def("__len__", &ScoreHistogram::size)
      .def_property_readonly("refined", &ScoreHistogram::refined, "Whether this is the second stage.");
}

void register_runtime(py::module_& module) {
  module.def("available_isas", &available_isas, "Return the instruction sets this CPU runs, slowest first.");
  module.def(
      "isa", [] { return std::string(kernels().name); },
      "Return the instruction set in use: the best, or what FR_NATIVE_ISA names.");
}

}  // namespace fr
