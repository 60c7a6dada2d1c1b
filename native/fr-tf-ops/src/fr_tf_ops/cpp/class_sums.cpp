#include "class_sums.hpp"

#include <algorithm>

#include "chunk_gradients.hpp"

namespace fr_tf_ops {
namespace {

// One for each worker, made on the calling thread, where running out of memory can be reported.
template <typename Make>
auto for_workers(const Pool& pool, const ChunkPlan& plan, const Make& make) {
  std::vector<decltype(make())> made;
  const std::size_t count = workers(pool, plan.blocks());
  made.reserve(count);
  while (made.size() < count) made.push_back(make());
  return made;
}

ChunkPlan forward_plan(const Problem& problem) {
  constexpr std::size_t kSampleBytes = 2 * sizeof(float) + 2 * sizeof(double);
  return ChunkPlan(problem.classes, problem.parts, problem.samples * kSampleBytes);
}

Panels samples_as_columns(const Engine& engine, const Problem& problem) {
  const AlignedBuffer<float> columns = transposed(problem.x, problem.samples, problem.dim);
  return Panels(engine.products, columns.data(), problem.dim, problem.samples);
}

// g_x[b][d], the sum over blocks of partial[block][panel of d][b][d within it], in the order of blocks; the
// first block is overwritten.
void sum_blocks(const Engine& engine, const Problem& problem, float* partial, std::size_t blocks,
                std::size_t panels, float* g_x) {
  const std::size_t panel_floats = padded_samples(problem) * kPanel;
  parallel_blocks(engine.pool, panels, [&](std::size_t, std::size_t panel) {
    const std::size_t first = panel * kPanel;
    const std::size_t width = std::min(kPanel, problem.dim - first);
    float* sum = partial + panel * panel_floats;
    for (std::size_t block = 1; block < blocks; ++block) {
      const float* next = sum + block * panels * panel_floats;
      for (std::size_t i = 0; i < panel_floats; ++i) sum[i] += next[i];
    }
    for (std::size_t b = 0; b < problem.samples; ++b) {
      std::copy(sum + b * kPanel, sum + b * kPanel + width, g_x + b * problem.dim + first);
    }
  });
}

}  // namespace

std::size_t forward_blocks(const Problem& problem) { return forward_plan(problem).blocks(); }

void for_each_tile(const Engine& engine, const Problem& problem,
                   const std::function<void(std::size_t, const Tile&)>& gather) {
  const ChunkPlan plan = forward_plan(problem);
  const Panels columns = samples_as_columns(engine, problem);
  auto cosines = for_workers(engine.pool, plan, [&] { return ChunkCosines(engine, problem, plan, columns); });
  parallel_blocks(engine.pool, plan.blocks(), [&](std::size_t worker, std::size_t block) {
    plan.for_each_chunk(block, [&](const Chunk& chunk) { gather(block, cosines[worker].compute(chunk)); });
  });
}

void class_gradients(const Engine& engine, const Problem& problem, const Slopes& slopes, bool skips,
                     float* g_x, void* g_weights) {
  const Panels columns = samples_as_columns(engine, problem);
  const Panels rows(engine.products, problem.x, problem.samples, problem.dim);
  const std::size_t block_floats = rows.count() * padded_samples(problem) * kPanel;
  const ChunkPlan plan(problem.classes, problem.parts, block_floats * sizeof(float));
  AlignedBuffer<float> partial(plan.blocks() * block_floats, Contents::kNone);
  auto cosines = for_workers(engine.pool, plan, [&] { return ChunkCosines(engine, problem, plan, columns); });
  auto gradients =
      for_workers(engine.pool, plan, [&] { return ChunkGradients(engine, problem, plan, rows); });
  auto kept = for_workers(engine.pool, plan, [&] { return std::vector<std::uint8_t>(plan.most_classes()); });

  parallel_blocks(engine.pool, plan.blocks(), [&](std::size_t worker, std::size_t block) {
    float* block_g_x = partial.data() + block * block_floats;
    std::fill(block_g_x, block_g_x + block_floats, 0.0f);
    plan.for_each_chunk(block, [&](const Chunk& chunk) {
      const Tile tile = cosines[worker].compute(chunk);
      std::uint8_t* flags = nullptr;
      if (skips) {
        flags = kept[worker].data();
        std::fill(flags, flags + chunk.classes, 0);
      }
      slopes(tile, flags);
      if (problem.parts > 1) {
        engine.kernels.elementwise->spread_to_parts(cosines[worker].of_parts(), problem.parts, tile);
      }
      gradients[worker].add(cosines[worker], flags, block_g_x, g_weights);
    });
  });
  sum_blocks(engine, problem, partial.data(), plan.blocks(), rows.count(), g_x);
}

}  // namespace fr_tf_ops
