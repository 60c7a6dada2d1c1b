// Every set of kernels that this CPU runs against plain scalar loops, and the bounds that the library makes
// of them against scores. Prints a line a set; ends with status 1 at the first difference.
#include "kernels/kernels.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <limits>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "quantise.hpp"
#include "scan.hpp"

namespace {

using fr::kLanes;
using fr::kPanelRows;

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr double kUnitRoundoff = 1.0 / (1 << 24);

using Random = std::mt19937;

// Fails with what differs, and at which index. Bytes decide, so that -0 is not 0.
template <typename Number>
void expect_same(Number got, Number expected, const std::string& what, std::size_t index) {
  if (std::memcmp(&got, &expected, sizeof(got)) == 0) return;
  char numbers[128];
  std::snprintf(numbers, sizeof(numbers), " %zu: got %.17g, expected %.17g", index, static_cast<double>(got),
                static_cast<double>(expected));
  throw std::runtime_error(what + numbers);
}

void expect_near(double got, double expected, double within, const std::string& what, std::size_t index) {
  if (!(std::fabs(got - expected) <= within)) expect_same(got, expected, what, index);
}

// Memory that begins `shift` elements off its allocation and holds just `size` elements: what lies behind is
// `fill`, which spoils the result of a kernel that reads it.
template <typename T>
class Shifted {
 public:
  Shifted(std::size_t size, std::size_t shift, T fill) : all_(shift + size + kLanes, fill), shift_(shift) {}
  T* data() { return all_.data() + shift_; }
  T& operator[](std::size_t i) { return all_[shift_ + i]; }

 private:
  std::vector<T> all_;
  std::size_t shift_;
};

struct Pattern {
  const char* name;
  int (*element)(std::size_t d, Random& random);
};

// All that quantised rows may hold. The constant ones reach the largest sums, of a pair of products (what
// vpmaddubsw could saturate) and of a row.
const Pattern kPatterns[] = {
    {"random", [](std::size_t, Random& random) { return static_cast<int>(random() % 255) - 127; }},
    {"+-127", [](std::size_t, Random& random) { return random() % 2 == 0 ? 127 : -127; }},
    {"alternating", [](std::size_t d, Random&) { return d % 2 == 0 ? 127 : -127; }},
    {"127", [](std::size_t, Random&) { return 127; }},
    {"-127", [](std::size_t, Random&) { return -127; }},
};

// A tile's worth of queries, a panel, and the exact sums of their products.
struct TileData {
  TileData(const fr::Tile& tile, std::size_t dim, const Pattern& query, const Pattern& gallery,
           std::size_t shift, Random& random)
      : dim(dim),
        queries(tile.rows * dim, shift, 127),
        panel(kPanelRows * dim, shift, 255),
        row_scale(kPanelRows, shift, kNan),
        row_error(kPanelRows, shift, kNan),
        row_residual(kPanelRows, shift, kNan),
        bounds(tile.rows),
        sums(tile.rows * kPanelRows) {
    std::vector<int> rows(kPanelRows * dim);
    for (std::size_t i = 0; i < tile.rows * dim; ++i) {
      queries[i] = static_cast<std::int8_t>(query.element(i % dim, random));
    }
    for (std::size_t c = 0; c < kPanelRows; ++c) {
      for (std::size_t d = 0; d < dim; ++d) {
        rows[c * dim + d] = gallery.element(d, random);
        panel[d / 4 * 4 * kPanelRows + 4 * c + d % 4] = static_cast<std::uint8_t>(rows[c * dim + d] + 128);
      }
    }
    for (std::size_t r = 0; r < tile.rows; ++r) {
      const std::int8_t* x = queries.data() + r * dim;
      for (std::size_t d = 0; d < dim; ++d) bounds[r].offset += 128 * x[d];
      for (std::size_t c = 0; c < kPanelRows; ++c) {
        for (std::size_t d = 0; d < dim; ++d) sums[r * kPanelRows + c] += x[d] * rows[c * dim + d];
      }
    }
  }

  // Scales and errors by which upper bounds are the sums themselves.
  void scale_to_sums() {
    for (auto& bound : bounds) bound = {1, 0, 0, 0, bound.offset};
    std::fill_n(row_scale.data(), kPanelRows, 1.0f);
    std::fill_n(row_error.data(), kPanelRows, 0.0f);
    std::fill_n(row_residual.data(), kPanelRows, 0.0f);
  }

  // Scales and errors as unit rows have them.
  void scale_to_unit_rows(Random& random) {
    std::uniform_real_distribution<float> error(0, 0.01f);
    const float scale = 1 / (127 * std::sqrt(static_cast<float>(dim)));
    for (auto& bound : bounds) {
      bound = {scale, 1 - error(random), 10 * error(random), error(random), bound.offset};
    }
    std::fill_n(row_scale.data(), kPanelRows, scale);
    std::generate_n(row_error.data(), kPanelRows, [&] { return error(random); });
    std::generate_n(row_residual.data(), kPanelRows, [&] { return 10 * error(random); });
  }

  double exact_bound(std::size_t r, std::size_t c) {
    const fr::QueryBound& bound = bounds[r];
    return double{bound.scale} * double{row_scale[c]} * sums[r * kPanelRows + c] +
           double{bound.norm} * double{row_error[c]} + double{bound.residual} * double{row_residual[c]} +
           double{bound.error};
  }

  std::size_t dim;
  Shifted<std::int8_t> queries;
  Shifted<std::uint8_t> panel;
  Shifted<float> row_scale;
  Shifted<float> row_error;
  Shifted<float> row_residual;
  std::vector<fr::QueryBound> bounds;
  std::vector<std::int32_t> sums;
};

// Upper bounds; `reach` is held to them.
std::vector<float> bounds_of(const fr::Tile& tile, TileData& data, const std::vector<float>& floors,
                             const std::string& what) {
  std::vector<float> upper(tile.rows * kPanelRows);
  std::vector<std::uint32_t> reach(tile.rows, 0xdeadbeef);
  const fr::PanelRows panel{data.panel.data(), data.row_scale.data(), data.row_error.data(),
                            data.row_residual.data()};
  tile.bound(data.queries.data(), panel, data.dim, data.bounds.data(), floors.data(), upper.data(),
             reach.data());
  for (std::size_t r = 0; r < tile.rows; ++r) {
    for (std::size_t c = 0; c < kPanelRows; ++c) {
      const std::size_t i = r * kPanelRows + c;
      expect_same((reach[r] >> c) & 1u, std::uint32_t{upper[i] >= floors[r]}, what + ", reach", i);
    }
  }
  return upper;
}

// Floors that a row reaches just so, just misses, never reaches, always reaches.
std::vector<float> mixed_floors(const std::vector<float>& upper, std::size_t turn) {
  std::vector<float> floors(upper.size() / kPanelRows);
  for (std::size_t r = 0; r < floors.size(); ++r) {
    const float tied = upper[r * kPanelRows + (turn + 5 * r) % kPanelRows];
    const float of_kind[] = {tied, std::nextafter(tied, kInfinity), kInfinity, -kInfinity};
    floors[r] = of_kind[(turn + r) % 4];
  }
  return floors;
}

void check_tile(const fr::Tile& tile, std::size_t dim, const Pattern& query, const Pattern& gallery,
                std::size_t turn, Random& random) {
  const std::string what =
      "tile, dim " + std::to_string(dim) + ", queries " + query.name + ", gallery " + gallery.name;
  TileData data(tile, dim, query, gallery, turn % 4, random);
  const std::vector<float> no_floors(tile.rows, -kInfinity);

  data.scale_to_sums();
  const std::vector<float> sums = bounds_of(tile, data, no_floors, what);
  for (std::size_t i = 0; i < sums.size(); ++i) {
    expect_same(sums[i], static_cast<float>(data.sums[i]), what + ", sum", i);
  }

  data.scale_to_unit_rows(random);
  const std::vector<float> upper = bounds_of(tile, data, no_floors, what);
  for (std::size_t i = 0; i < upper.size(); ++i) {
    expect_near(upper[i], data.exact_bound(i / kPanelRows, i % kPanelRows), 6 * kUnitRoundoff,
                what + ", bound", i);
  }
  if (bounds_of(tile, data, mixed_floors(upper, turn), what) != upper) {
    throw std::runtime_error(what + ": floors change the bounds");
  }
}

// Tiles of every shape; how many.
std::size_t check_tiles(const fr::Tile& tile, Random& random) {
  std::size_t turn = 0;
  for (const std::size_t dim : {16, 32, 48, 64, 112, 128, 512, 1040, 65536}) {
    for (const Pattern& query : kPatterns) {
      for (const Pattern& gallery : kPatterns) check_tile(tile, dim, query, gallery, turn++, random);
    }
  }
  return turn;
}

// A sum in kLanes lanes, added pairwise.
template <typename Term>
double lanes_sum(std::size_t dim, const Term& term) {
  double sum[kLanes] = {};
  for (std::size_t d = 0; d < dim; ++d) sum[d % kLanes] += term(d);
  for (std::size_t half = kLanes / 2; half > 0; half /= 2) {
    for (std::size_t l = 0; l < half; ++l) sum[l] += sum[l + half];
  }
  return sum[0];
}

// `spread`: how many powers of ten the elements lie below and above 1.
void check_row(const fr::RowKernels& kernels, std::size_t dim, std::size_t shift, float spread,
               Random& random) {
  const std::string what = "spread " + std::to_string(spread) + ", dim";
  const std::size_t padded_dim = (dim + kLanes - 1) / kLanes * kLanes;
  std::normal_distribution<float> normal;
  std::uniform_real_distribution<float> exponent(-spread, spread);
  Shifted<float> row(dim, shift, kNan);
  Shifted<float> unit(padded_dim, shift, kNan);
  for (std::size_t d = 0; d < dim; ++d) row[d] = normal(random) * std::pow(10.0f, exponent(random));
  for (std::size_t d = 0; d < padded_dim; ++d) unit[d] = d < dim ? normal(random) / 32 : 0;

  const double squares = lanes_sum(dim, [&](std::size_t d) { return double{row[d]} * double{row[d]}; });
  expect_same(kernels.squares_f64(row.data(), dim), squares, "squares_f64, " + what, dim);

  const double inverse_norm = 1 / std::sqrt(squares);
  Shifted<float> normed(dim, shift, kNan);
  kernels.unit_f32(row.data(), inverse_norm, dim, normed.data());
  for (std::size_t d = 0; d < dim; ++d) {
    const auto expected = static_cast<float>(double{row[d]} * inverse_norm);
    expect_same(normed[d], expected, "unit_f32, " + what + ", element", d);
  }
  if (!std::isnan(normed[dim])) throw std::runtime_error("unit_f32 writes beyond its elements, " + what);

  const double score = lanes_sum(dim, [&](std::size_t d) {
    return double{unit[d]} * double{static_cast<float>(double{row[d]} * inverse_norm)};
  });
  expect_same(kernels.score_f64(unit.data(), row.data(), inverse_norm, dim), score, "score_f64, " + what,
              dim);

  double dot = 0;
  for (std::size_t d = 0; d < dim; ++d) dot += double{unit[d]} * double{row[d]};
  const double unit_squares =
      lanes_sum(dim, [&](std::size_t d) { return double{unit[d]} * double{unit[d]}; });
  expect_near(double{kernels.dot_f32(unit.data(), row.data(), dim)}, dot,
              fr::dot_error(dim) * std::sqrt(unit_squares * squares), "dot_f32, " + what, dim);
}

void check_count_reaching(const fr::RowKernels& kernels, std::size_t count, std::size_t shift,
                          Random& random) {
  const float some[] = {-kInfinity, -0.0f, 0, 0.5f, 1, kInfinity, kNan};
  const auto any = [&] { return some[random() % std::size(some)]; };
  Shifted<float> values(count, shift, kInfinity);
  for (std::size_t i = 0; i < count; ++i) values[i] = any();
  const float floor = any();
  std::size_t reaching = 0;
  for (std::size_t i = 0; i < count; ++i) reaching += values[i] >= floor;
  expect_same(kernels.count_reaching(values.data(), count, floor), reaching, "count_reaching", count);
}

void check_reaching(const fr::RowKernels& kernels, std::size_t shift, Random& random) {
  const float some[] = {-kInfinity, -1, -0.0f, 0, 1e-45f, 0.5f, 1, kInfinity, kNan};
  const auto any = [&] { return some[random() % std::size(some)]; };
  Shifted<float> values(kPanelRows, shift, kNan);
  for (std::size_t c = 0; c < kPanelRows; ++c) values[c] = any();
  const float floor = any();
  const std::uint32_t reach = kernels.reaching(values.data(), floor);
  for (std::size_t c = 0; c < kPanelRows; ++c) {
    expect_same((reach >> c) & 1u, std::uint32_t{values[c] >= floor}, "reaching", c);
  }
}

// Rows of every length up to some lanes, and longer ones; how many.
std::size_t check_rows(const fr::RowKernels& kernels, Random& random) {
  std::vector<std::size_t> dims = {100, 127, 128, 511, 512, 513, 1040, 65536};
  for (std::size_t dim = 1; dim <= 5 * kLanes; ++dim) dims.push_back(dim);
  std::size_t rows = 0;
  for (const std::size_t dim : dims) {
    for (std::size_t shift = 0; shift < 4; ++shift) {
      for (const float spread : {0, 3, 15}) {
        check_row(kernels, dim, shift, spread, random);
        check_reaching(kernels, shift, random);
        check_count_reaching(kernels, dim, shift, random);
        ++rows;
      }
    }
  }
  return rows;
}

// Rows whose bounds are hard: `kind` 0 is normal, 1 has one large element, 2 nothing else, 3 has elements of
// one size. Of 2 and 3, int8 is exact, and only the room for rounding keeps bounds apart from scores.
std::vector<float> hard_rows(std::size_t count, std::size_t dim, int kind, Random& random) {
  std::normal_distribution<float> normal;
  std::vector<float> rows(count * dim);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    rows[i] = kind == 2 ? 0 : kind == 3 ? (random() % 2 == 0 ? 0.3f : -0.3f) : normal(random);
  }
  for (std::size_t r = 0; r < count && (kind == 1 || kind == 2); ++r) rows[r * dim + random() % dim] = 50;
  return rows;
}

// The first kLanes axes of a space turned by a few reflections.
std::vector<float> turned_axes(std::size_t dim, Random& random) {
  std::normal_distribution<double> normal;
  std::vector<float> axes(kLanes * dim);
  std::vector<double> mirror(dim);
  double squares = 0;
  for (auto& m : mirror) {
    m = normal(random);
    squares += m * m;
  }
  for (std::size_t a = 0; a < kLanes; ++a) {
    for (std::size_t d = 0; d < dim; ++d) {
      axes[a * dim + d] = static_cast<float>((a == d) - 2 * mirror[a] * mirror[d] / squares);
    }
  }
  return axes;
}

void check_bounds_of(std::size_t dim, int kind, bool with_axes, Random& random) {
  constexpr std::size_t kCount = 3 * kPanelRows;
  const std::string what = "bounds, dim " + std::to_string(dim) + ", kind " + std::to_string(kind) +
                           (with_axes ? ", axes, pair" : ", pair");
  const std::vector<float> data = hard_rows(kCount, dim, kind, random);
  const std::vector<float> axes = turned_axes(dim, random);
  const fr::NormedRows rows({data.data(), kCount, dim}, "rows", {});
  std::vector<std::int64_t> order(kCount);
  for (std::size_t i = 0; i < kCount; ++i) order[i] = static_cast<std::int64_t>(i);
  const fr::QuantisedPanels panels(rows, order,
                                   fr::subspace_of(rows, {axes.data(), with_axes ? kLanes : 0, dim}), {});
  const fr::Tile& tile = fr::kernels().tile;
  const fr::QueryBlock queries(rows, order.data(), kCount, panels.subspace(), tile.rows);
  const fr::StopFlag go_on{false};
  std::size_t seen = 0;
  fr::scan(tile, queries, panels, 0, panels.count(), std::vector<float>(kCount, -kInfinity), go_on,
           [&](std::size_t q, const fr::PanelBounds& bounds) {
             for (std::size_t c = 0; c < kPanelRows; ++c, ++seen) {
               const float score = rows.score(queries.unit(q), bounds.first + c);
               const auto near = rows.approximate(queries.unit(q), bounds.first + c);
               const bool held = bounds.lower(c) <= score && score <= bounds.upper[c] &&
                                 std::fabs(near.score - score) <= near.error;
               if (!held) expect_same(bounds.upper[c], score, what, q * kCount + bounds.first + c);
             }
             return -kInfinity;
           });
  expect_same(seen, kCount * kCount, "pairs seen", 0);
}

std::size_t check_bounds(Random& random) {
  std::size_t sets = 0;
  for (const std::size_t dim : {16, 61, 128, 512}) {
    for (int kind = 0; kind < 4; ++kind) {
      for (const bool with_axes : {false, true}) {
        check_bounds_of(dim, kind, with_axes, random);
        ++sets;
      }
    }
  }
  return sets;
}

}  // namespace

int main() {
  for (const std::string& name : fr::available_isas()) {
    setenv("FR_NATIVE_ISA", name.c_str(), 1);
    Random random(20240);
    try {
      const std::size_t tiles = check_tiles(fr::kernels().tile, random);
      const std::size_t rows = check_rows(fr::kernels().row, random);
      const std::size_t bounds = check_bounds(random);
      std::printf("%s: %zu tiles, %zu rows, bounds of %zu sets\n", name.c_str(), tiles, rows, bounds);
    } catch (const std::exception& error) {
      std::fprintf(stderr, "%s: %s\n", name.c_str(), error.what());
      return 1;
    }
  }
}
