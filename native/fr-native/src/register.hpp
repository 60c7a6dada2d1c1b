#pragma once

#include <pybind11/pybind11.h>

namespace fr {

void register_all_pairs(pybind11::module_& module);
void register_gallery(pybind11::module_& module);
void register_pairs(pybind11::module_& module);
void register_scores(pybind11::module_& module);
void register_runtime(pybind11::module_& module);

}  // namespace fr
