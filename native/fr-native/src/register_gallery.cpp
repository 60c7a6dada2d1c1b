#include <pybind11/stl.h>

#include <memory>

#include "arrays.hpp"
#include "gallery.hpp"
#include "identify.hpp"
#include "register.hpp"
#include "sort_scores.hpp"

namespace fr {
namespace {

std::size_t checked_k(const py::object& number, std::int64_t smallest, std::size_t gallery_size) {
  const std::int64_t k = whole_number(number, "k");
  if (k < smallest || static_cast<std::size_t>(k) > gallery_size) {
    throw py::value_error("k is " + std::to_string(k) + ", expected " + std::to_string(smallest) + " to " +
                          std::to_string(gallery_size) + ", the size of the gallery");
  }
  return static_cast<std::size_t>(k);
}

void check_dim(const char* what, std::size_t dim, std::size_t gallery_dim) {
  if (dim != gallery_dim) {
    throw py::value_error(std::string(what) + " have " + std::to_string(dim) +
                          " dimensions and the gallery " + std::to_string(gallery_dim) +
                          ", expected as many");
  }
}

// A gallery and the array that it points into.
struct HeldGallery {
  Array<float> rows;
  std::unique_ptr<const Gallery> gallery;
};

std::unique_ptr<HeldGallery> make_gallery(const py::object& embeddings, const py::object& axes,
                                          const py::object& threads) {
  auto held = std::make_unique<HeldGallery>();
  held->rows = float_rows(embeddings, "gallery");
  const Rows rows = rows_of(held->rows);
  const Array<float> axis_rows = optional_rows(axes, "axes");
  run_released(threads, [&](const Run& run) {
    held->gallery = std::make_unique<Gallery>(rows, "gallery", run, rows_of(axis_rows));
  });
  return held;
}

py::tuple search(const HeldGallery& held, const py::object& queries, const py::object& k,
                 const py::object& threads) {
  const Array<float> rows = float_rows(queries, "queries");
  const Rows view = rows_of(rows);
  check_dim("queries", view.dim, held.gallery->dim());
  const std::size_t wanted = checked_k(k, 1, held.gallery->size());
  const std::vector<py::ssize_t> shape = {rows.shape(0), static_cast<py::ssize_t>(wanted)};
  Array<float> scores(shape);
  Array<std::int64_t> indices(shape);
  float* score_memory = scores.mutable_data();
  std::int64_t* index_memory = indices.mutable_data();
  run_released(threads,
               [&](const Run& run) { held.gallery->search(view, wanted, score_memory, index_memory, run); });
  return py::make_tuple(std::move(scores), std::move(indices));
}

py::tuple identify_arrays(const py::object& probes, const py::object& gallery, const py::object& probe_ids,
                          const py::object& gallery_ids, const py::object& k, const py::object& per_template,
                          const py::object& mate_elsewhere, const py::object& threads) {
  const Array<float> probe_rows = float_rows(probes, "probes");
  const Array<float> gallery_rows = float_rows(gallery, "gallery");
  const Array<std::int64_t> probe_subjects = id_vector(probe_ids, "probe_ids");
  const Array<std::int64_t> gallery_subjects = id_vector(gallery_ids, "gallery_ids");
  const Rows probe_view = rows_of(probe_rows);
  const Rows gallery_view = rows_of(gallery_rows);
  check_dim("probes", probe_view.dim, gallery_view.dim);
  check_length("probe_ids", probe_subjects.size(), probe_view);
  check_length("gallery_ids", gallery_subjects.size(), gallery_view);
  IdentifyOptions options;
  options.k = checked_k(k, 0, gallery_view.count);
  options.per_template = truth(per_template, "per_template");
  Array<float> elsewhere;
  if (!mate_elsewhere.is_none()) {
    elsewhere = converted_finite<float>(score_array(mate_elsewhere, "mate_elsewhere"), "mate_elsewhere");
    check_length("mate_elsewhere", elsewhere.size(), probe_view);
    options.mate_elsewhere = span_of(elsewhere);
  }
  Identification found;
  run_released(threads, [&](const Run& run) {
    reject_nan(options.mate_elsewhere, "mate_elsewhere", run);
    found =
        identify(probe_view, gallery_view, span_of(probe_subjects), span_of(gallery_subjects), options, run);
  });
  const std::vector<py::ssize_t> shape = {probe_rows.shape(0), static_cast<py::ssize_t>(options.k)};
  return py::make_tuple(to_array(std::move(found.mate_score)), to_array(std::move(found.above)),
                        to_array(std::move(found.tied)), to_array(std::move(found.non_mate_score)),
                        to_array(std::move(found.non_mate_index)), to_array(std::move(found.scores), shape),
                        to_array(std::move(found.indices), shape));
}

}  // namespace

void register_gallery(py::module_& module) {
  py::class_<HeldGallery>(module, "Gallery")
      .def(py::init(&make_gallery), py::arg("embeddings"), py::arg("axes"), py::kw_only(),
           py::arg("threads") = py::none())
      .def("search", &search, py::arg("queries"), py::arg("k"), py::kw_only(),
           py::arg("threads") = py::none())
      .def("__len__", [](const HeldGallery& held) { return held.gallery->size(); })
      .def_property_readonly(
          "dim", [](const HeldGallery& held) { return held.gallery->dim(); },
          "Number of dimensions of a row.");
  module.def("identify", &identify_arrays, py::arg("probes"), py::arg("gallery"), py::arg("probe_ids"),
             py::arg("gallery_ids"), py::arg("k") = 1, py::kw_only(), py::arg("per_template") = false,
             py::arg("mate_elsewhere") = py::none(), py::arg("threads") = py::none());
}

}  // namespace fr
