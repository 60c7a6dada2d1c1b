#include "parallel.hpp"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#ifdef __linux__
#include <sched.h>
#endif

namespace fr {
namespace {

constexpr auto kPollInterval = std::chrono::milliseconds(50);

struct Shared {
  std::atomic<std::size_t> next{0};
  StopFlag stop{false};
  std::mutex mutex;
  std::condition_variable finished;
  std::size_t running = 0;
  std::exception_ptr error;
};

void worker(Shared& shared, std::size_t blocks,
            const std::function<void(std::size_t, const StopFlag&)>& work) {
  try {
    while (!shared.stop) {
      const std::size_t block = shared.next.fetch_add(1);
      if (block >= blocks) break;
      work(block, shared.stop);
    }
  } catch (...) {
    const std::lock_guard<std::mutex> lock(shared.mutex);
    if (!shared.error) shared.error = std::current_exception();
    shared.stop = true;
  }
  const std::lock_guard<std::mutex> lock(shared.mutex);
  --shared.running;
  shared.finished.notify_all();
}

void start(Shared& shared, std::size_t blocks, const std::function<void(std::size_t, const StopFlag&)>& work,
           std::size_t wanted, std::vector<std::thread>& threads) {
  const std::lock_guard<std::mutex> lock(shared.mutex);
  while (threads.size() < wanted) {
    threads.emplace_back(worker, std::ref(shared), blocks, std::cref(work));
    ++shared.running;
  }
}

bool wait_or_interrupt(Shared& shared, const Run& run) {
  std::unique_lock<std::mutex> lock(shared.mutex);
  while (shared.running > 0) {
    if (shared.finished.wait_for(lock, kPollInterval) == std::cv_status::no_timeout) continue;
    lock.unlock();
    const bool interrupted = !shared.stop && run.interrupted();
    lock.lock();
    if (interrupted) {
      shared.stop = true;
      shared.finished.wait(lock, [&] { return shared.running == 0; });
      return true;
    }
  }
  return false;
}

}  // namespace

void parallel_blocks(std::size_t blocks, const Run& run,
                     const std::function<void(std::size_t, const StopFlag&)>& work) {
  Shared shared;
  const std::size_t wanted = std::min(std::max<std::size_t>(run.threads, 1), blocks);
  std::vector<std::thread> threads;
  threads.reserve(wanted);
  try {
    start(shared, blocks, work, wanted, threads);
  } catch (const std::exception&) {
    if (threads.empty()) throw;  // else the system allows fewer threads: these do all the work
  }
  const bool interrupted = wait_or_interrupt(shared, run);
  for (auto& thread : threads) thread.join();
  if (interrupted) throw Interrupted();
  if (shared.error) std::rethrow_exception(shared.error);
}

std::size_t default_threads() {
  if (const char* text = std::getenv("FR_NUM_THREADS"); text != nullptr && *text != '\0') {
    char* end = nullptr;
    const long count = std::strtol(text, &end, 10);
    if (*end != '\0' || count < 1 || count > static_cast<long>(kMostThreads)) {
      throw std::invalid_argument("FR_NUM_THREADS is '" + std::string(text) +
                                  "', expected a whole number from 1 to " + std::to_string(kMostThreads));
    }
    return static_cast<std::size_t>(count);
  }
#ifdef __linux__
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) == 0) {
    return static_cast<std::size_t>(std::max(1, CPU_COUNT(&set)));
  }
#endif
  return std::max(1u, std::thread::hardware_concurrency());
}

}  // namespace fr
