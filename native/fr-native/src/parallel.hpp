// Work on all cores that can be interrupted, and that gives the same bytes for any number of threads:
// blocks are handed out dynamically, so a block's result may depend on its number only.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>

namespace fr {

// Set when the work must end early; long blocks poll it.
using StopFlag = std::atomic<bool>;

constexpr std::size_t kMostThreads = 4096;

struct Run {
  std::size_t threads = 1;
  // Asked about every 50 ms on the calling thread; true ends the work.
  std::function<bool()> interrupted = [] { return false; };
};

class Interrupted {};

// Calls work(block, stop) for every block in [0, blocks). Rethrows the first exception of a block; throws
// Interrupted when run.interrupted() said so.
void parallel_blocks(std::size_t blocks, const Run& run,
                     const std::function<void(std::size_t, const StopFlag&)>& work);

// FR_NUM_THREADS if set, else the cores this process may run on.
std::size_t default_threads();

}  // namespace fr
