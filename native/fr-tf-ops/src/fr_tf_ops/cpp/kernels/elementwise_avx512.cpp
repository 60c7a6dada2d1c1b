#include "kernels/rows.hpp"
#include "kernels/tile_sums.hpp"

namespace fr_tf_ops {

const Elementwise kElementwiseAvx512 = {unit_rows,    project_rows,   largest_parts, spread_to_parts,
                                        softmax_sums, softmax_slopes, unified_sums,  unified_slopes};

}  // namespace fr_tf_ops
