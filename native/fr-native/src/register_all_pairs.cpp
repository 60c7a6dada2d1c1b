#include <pybind11/stl.h>

#include <memory>

#include "all_pairs.hpp"
#include "arrays.hpp"
#include "register.hpp"
#include "score_key.hpp"

namespace fr {
namespace {

// A counter and the array that it points into.
struct HeldCounter {
  Array<float> rows;
  std::unique_ptr<const PairCounter> counter;
};

std::unique_ptr<HeldCounter> make_counter(const py::object& embeddings, const py::object& ids,
                                          const py::object& groups, std::size_t n_groups,
                                          const py::object& axes, const py::object& threads) {
  auto held = std::make_unique<HeldCounter>();
  held->rows = float_rows(embeddings, "embeddings");
  const Rows rows = rows_of(held->rows);
  const Array<std::int64_t> subjects = id_vector(ids, "ids");
  const Array<std::int64_t> group_of = id_vector(groups, "groups");
  check_length("ids", subjects.size(), rows);
  const Array<float> axis_rows = optional_rows(axes, "axes");
  run_released(threads, [&](const Run& run) {
    held->counter = std::make_unique<PairCounter>(rows, span_of(subjects), span_of(group_of), n_groups,
                                                  rows_of(axis_rows), run);
  });
  return held;
}

py::tuple count_strips(const HeldCounter& held, const py::object& strips, const py::array& low,
                       const py::array& high, const py::object& threads) {
  const Array<std::int64_t> wanted = id_vector(strips, "strips");
  const auto lows = converted<float>(low);
  const auto highs = converted<float>(high);
  if (lows.size() != highs.size()) throw py::value_error("low and high differ in length");
  std::vector<Bracket> brackets;
  for (py::ssize_t b = 0; b < lows.size(); ++b) brackets.push_back({lows.data()[b], highs.data()[b]});
  PairCounts found;
  run_released(threads, [&](const Run& run) { found = held.counter->count(span_of(wanted), brackets, run); });
  return py::make_tuple(
      to_array(std::move(found.above), {lows.size(), static_cast<py::ssize_t>(held.counter->cells())}),
      to_array(std::move(found.scores)), to_array(std::move(found.counts)));
}

Array<float> scores_of_keys(const py::array& keys) {
  const auto codes = converted<std::uint64_t>(keys);
  std::vector<float> scores;
  for (py::ssize_t i = 0; i < codes.size(); ++i) {
    scores.push_back(score_of<float>(static_cast<std::uint32_t>(codes.data()[i])));
  }
  return to_array(std::move(scores));
}

}  // namespace

void register_all_pairs(py::module_& module) {
  py::class_<HeldCounter>(module, "PairCounter", "Counts of all pairs around score brackets.")
      .def(py::init(&make_counter), py::arg("embeddings"), py::arg("ids"), py::arg("groups"),
           py::arg("n_groups"), py::arg("axes"), py::kw_only(), py::arg("threads") = py::none())
      .def("count", &count_strips, py::arg("strips"), py::arg("low"), py::arg("high"), py::kw_only(),
           py::arg("threads") = py::none())
      .def_property_readonly("strips", [](const HeldCounter& held) { return held.counter->strips(); })
      .def_property_readonly_static("strip_rows", [](const py::object&) { return kStripRows; });
  module.def("scores_of_keys", &scores_of_keys, py::arg("keys"));
}

}  // namespace fr
