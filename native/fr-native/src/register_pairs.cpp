#include <pybind11/stl.h>

#include "arrays.hpp"
#include "pair_scores.hpp"
#include "register.hpp"

namespace fr {
namespace {

Array<float> pair_scores_array(const py::object& embeddings, const py::object& first,
                               const py::object& second, const py::object& threads) {
  const Array<float> rows = float_rows(embeddings, "embeddings");
  const Array<std::int64_t> i = id_vector(first, "i");
  const Array<std::int64_t> j = id_vector(second, "j");
  if (i.size() != j.size()) {
    throw py::value_error("i has " + std::to_string(i.size()) + " entries and j " + std::to_string(j.size()) +
                          ", expected as many");
  }
  Array<float> scores(i.size());
  float* memory = scores.mutable_data();
  run_released(threads,
               [&](const Run& run) { pair_scores(rows_of(rows), span_of(i), span_of(j), memory, run); });
  return scores;
}

constexpr const char* kPairScoresDoc = R"(Score listed pairs of rows by cosine.

Parameters
----------
embeddings : array of float, shape (N, D)
    Rows need not be normalised; float64 and float16 are rounded to float32.
i, j : array of int, shape (P,)
    Rows of each pair.
threads : int, optional

Returns
-------
ndarray of float32, shape (P,)
    Float64 dot products of float32 unit rows, rounded once.

Raises
------
IndexError
    A pair that points outside the rows (the first is named).
ValueError
    Lists of different lengths, or a row with NaN, infinity or zero norm (named).
)";

}  // namespace

void register_pairs(py::module_& module) {
  module.def("pair_scores", &pair_scores_array, py::arg("embeddings"), py::arg("i"), py::arg("j"),
             py::kw_only(), py::arg("threads") = py::none(), kPairScoresDoc);
}

}  // namespace fr
