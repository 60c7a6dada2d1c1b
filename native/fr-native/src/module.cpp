// Table of contents of fr_native._core.
#include "register.hpp"

PYBIND11_MODULE(_core, module) {
  module.doc() = "Exact cosine search and exact score statistics.";
  fr::register_all_pairs(module);
  fr::register_gallery(module);  // Gallery, identify
  fr::register_pairs(module);    // pair_scores
  fr::register_scores(module);   // sort_scores, score_counts, tpir, far_thresholds, ScoreHistogram
  fr::register_runtime(module);  // available_isas, isa
}
