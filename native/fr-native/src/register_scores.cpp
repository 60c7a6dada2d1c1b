#include <pybind11/stl.h>

#include "arrays.hpp"
#include "kernels/kernels.hpp"
#include "register.hpp"
#include "score_counts.hpp"
#include "score_histogram.hpp"
#include "sort_scores.hpp"

namespace fr {
namespace {

py::array sort_array(const py::array& scores, const Threads& threads) {
  py::array sorted;
  with_scores(scores, "scores", [&](auto values) {
    using Score = std::decay_t<decltype(values[0])>;
    std::vector<Score> result(values.size);
    run_released(threads, [&](const Run& run) { sort_scores(values, result.data(), run); });
    sorted = to_array(std::move(result));
  });
  return sorted;
}

py::array thresholds_array(const py::array& impostor, const py::object& fars, const Threads& threads) {
  const DoubleArray targets = double_vector(fars, "fars");
  py::array thresholds;
  with_scores(impostor, "impostor", [&](auto values) {
    using Score = std::decay_t<decltype(values[0])>;
    std::vector<Score> result;
    run_released(threads, [&](const Run& run) { result = far_thresholds(values, span_of(targets), run); });
    thresholds = to_array(std::move(result));
  });
  return thresholds;
}

Array<std::int64_t> count_accepted(const py::array& scores, const char* what, const DoubleArray& thresholds,
                                   const Threads& threads) {
  std::vector<std::int64_t> counts;
  with_scores(scores, what, [&](auto values) {
    run_released(threads,
                 [&](const Run& run) { counts = accepted_counts(values, span_of(thresholds), run); });
  });
  return to_array(std::move(counts));
}

py::tuple counts_arrays(const py::array& genuine, const py::array& impostor, const py::object& thresholds,
                        const Threads& threads) {
  const DoubleArray at = double_vector(thresholds, "thresholds");
  return py::make_tuple(count_accepted(genuine, "genuine", at, threads),
                        count_accepted(impostor, "impostor", at, threads));
}

Array<double> tpir_array(const py::array& mate_scores, const py::object& mate_ranks,
                         const py::object& thresholds, const py::object& ranks, const Threads& threads) {
  const IdArray mates = id_vector(mate_ranks, "mate_ranks");
  const DoubleArray at = double_vector(thresholds, "thresholds");
  const IdArray within = id_vector(ranks, "ranks");
  if (mate_scores.size() == 0) throw py::value_error("mate_scores is empty: TPIR needs mated probes");
  std::vector<std::int64_t> counts;
  with_scores(mate_scores, "mate_scores", [&](auto scores) {
    run_released(threads, [&](const Run& run) {
      counts = identified_counts(scores, span_of(mates), span_of(at), span_of(within), run);
    });
  });
  std::vector<double> rates;
  rates.reserve(counts.size());
  for (const std::int64_t count : counts) {
    rates.push_back(static_cast<double>(count) / static_cast<double>(mate_scores.size()));
  }
  return to_array(std::move(rates), {within.size(), at.size()});
}

void update_histogram(ScoreHistogram& histogram, const py::array& scores, const Threads& threads) {
  check_scores(scores, "scores");
  const FloatArray values = FloatArray::ensure(scores);
  run_released(threads, [&](const Run& run) { histogram.update(span_of(values), run); });
}

}  // namespace

void register_scores(py::module_& module) {
  module.def("sort_scores", &sort_array, py::arg("scores"), py::kw_only(), py::arg("threads") = py::none());
  module.def("far_thresholds", &thresholds_array, py::arg("impostor"), py::arg("fars"), py::kw_only(),
             py::arg("threads") = py::none());
  module.def("score_counts", &counts_arrays, py::arg("genuine"), py::arg("impostor"), py::arg("thresholds"),
             py::kw_only(), py::arg("threads") = py::none());
  module.def("tpir", &tpir_array, py::arg("mate_scores"), py::arg("mate_ranks"), py::arg("thresholds"),
             py::arg("ranks"), py::kw_only(), py::arg("threads") = py::none());
  py::class_<ScoreHistogram>(module, "ScoreHistogram")
      .def(py::init<>())
      .def("update", &update_histogram, py::arg("scores"), py::kw_only(), py::arg("threads") = py::none())
      .def("merge", &ScoreHistogram::merge, py::arg("other"))
      .def(
          "refine",
          [](const ScoreHistogram& histogram, const py::object& fars) {
            const DoubleArray targets = double_vector(fars, "fars");
            return histogram.refine(span_of(targets));
          },
          py::arg("fars"))
      .def(
          "far_thresholds",
          [](const ScoreHistogram& histogram, const py::object& fars) {
            const DoubleArray targets = double_vector(fars, "fars");
            return to_array(histogram.far_thresholds(span_of(targets)));
          },
          py::arg("fars"))
      .def("__len__", &ScoreHistogram::size)
      .def_property_readonly("refined", &ScoreHistogram::refined);
}

void register_runtime(py::module_& module) {
  module.def("available_isas", &available_isas);
  module.def("isa", [] { return std::string(kernels().name); });
}

}  // namespace fr
