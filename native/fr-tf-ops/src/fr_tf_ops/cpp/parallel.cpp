#include "parallel.hpp"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>

namespace fr_tf_ops {
namespace {

// Outlives the call: a task may begin when all blocks are done.
struct Shared {
  using Work = std::function<void(std::size_t, std::size_t)>;

  Shared(std::size_t blocks, const Work& work) : blocks(blocks), work(work) {}

  void run(std::size_t worker) {
    for (;;) {
      const std::size_t block = next.fetch_add(1);
      if (block >= blocks) return;
      work(worker, block);
      const std::lock_guard<std::mutex> lock(mutex);
      if (++finished == blocks) all_finished.notify_all();
    }
  }

  void wait() {
    std::unique_lock<std::mutex> lock(mutex);
    all_finished.wait(lock, [this] { return finished == blocks; });
  }

  const std::size_t blocks;
  const Work& work;  // used while a block is unfinished only, and so while its owner waits
  std::atomic<std::size_t> next{0};
  std::mutex mutex;
  std::condition_variable all_finished;
  std::size_t finished = 0;
};

}  // namespace

std::size_t workers(const Pool& pool, std::size_t blocks) {
  return std::min(std::max<std::size_t>(pool.threads, 1), std::max<std::size_t>(blocks, 1));
}

void parallel_blocks(const Pool& pool, std::size_t blocks,
                     const std::function<void(std::size_t, std::size_t)>& work) {
  const auto shared = std::make_shared<Shared>(blocks, work);
  for (std::size_t worker = 1; worker < workers(pool, blocks); ++worker) {
    pool.schedule([shared, worker] { shared->run(worker); });
  }
  shared->run(0);
  shared->wait();
}

}  // namespace fr_tf_ops
