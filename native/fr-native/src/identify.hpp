// Open-set identification in one pass: each probe's mate, what outranks it, and its best non-mate.
#pragma once

#include <cstdint>
#include <vector>

#include "normed_rows.hpp"
#include "parallel.hpp"
#include "span.hpp"

namespace fr {

// Arrays by probe. A probe whose subject is not in the gallery has no mate: mate_score -inf. Its counts are
// taken against the score of its mate elsewhere, if that is given, and are 0 otherwise.
struct Identification {
  std::vector<float> mate_score;             // best score of the probe's own subject
  std::vector<std::int64_t> above;           // non-mates scoring more than mate_score
  std::vector<std::int64_t> tied;            // non-mates scoring exactly mate_score
  std::vector<float> non_mate_score;         // best score of another subject; -inf if there is none
  std::vector<std::int64_t> non_mate_index;  // its gallery row, the lowest of equals; -1 if there is none
  std::vector<float> scores;                 // [probes, k], best first
  std::vector<std::int64_t> indices;         // [probes, k]
};

struct IdentifyOptions {
  std::size_t k = 1;
  bool per_template = false;     // count gallery rows; by default a subject counts once, by its best row
  Span<float> mate_elsewhere{};  // by probe, -inf for none; empty: none for all
};

Identification identify(const Rows& probes, const Rows& gallery, Span<std::int64_t> probe_ids,
                        Span<std::int64_t> gallery_ids, const IdentifyOptions& options, const Run& run);

}  // namespace fr
