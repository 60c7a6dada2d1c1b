// Work on the threads of a pool that is not ours, the calling one among them.
//
// Blocks are handed out dynamically, so what a block computes may depend on its number only: then results are
// the same bytes for any number of threads. The calling thread never waits for a task to begin, only for
// blocks that others have begun: a pool whose threads all wait in calls like this one cannot stop.
#pragma once

#include <cstddef>
#include <functional>

namespace fr_tf_ops {

struct Pool {
  std::size_t threads;
  std::function<void(std::function<void()>)> schedule;
};

// How many workers parallel_blocks may use.
std::size_t workers(const Pool& pool, std::size_t blocks);

// Calls work(worker, block) for every block; no two calls of one worker at a time. `work` must not throw.
void parallel_blocks(const Pool& pool, std::size_t blocks,
                     const std::function<void(std::size_t worker, std::size_t block)>& work);

}  // namespace fr_tf_ops
