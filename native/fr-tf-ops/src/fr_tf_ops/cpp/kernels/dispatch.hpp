// Which kernels are in use.
#pragma once

#include <string>
#include <vector>

#include "kernels/kernels.hpp"

namespace fr_tf_ops {

// The best that this CPU runs, or those that FR_TF_OPS_ISA names.
// Throws std::invalid_argument where it names none.
const Kernels& kernels();

// Names of all kernels this CPU runs, slowest first.
std::vector<std::string> available_isas();

}  // namespace fr_tf_ops
