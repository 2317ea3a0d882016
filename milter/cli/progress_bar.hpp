// ProgressBar: how far a long run has come, for somebody who waits at a terminal. A thread of its own draws it, so that
// it is seen too while one message takes long or the daemon does not answer; the seconds show that it is alive.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

namespace milter::cli {

struct Pace {
  std::chrono::milliseconds first{1000};  ///< what is over by then needs no bar
  std::chrono::milliseconds then{100};
};

class ProgressBar {
 public:
  /// `write` shows a text as it is; it is called on the bar's thread, and when the bar goes.
  ProgressBar(std::size_t count, std::function<void(const std::string&)> write, Pace pace = {});
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;
  /// The line is empty again.
  ~ProgressBar();

  /// Threads: any.
  void set_done(std::size_t done) { done_.store(done, std::memory_order_relaxed); }

 private:
  using Clock = std::chrono::steady_clock;

  void run();
  [[nodiscard]] std::string drawn() const;

  // Constant after construction.
  const std::size_t count_;
  const std::function<void(const std::string&)> write_;
  const Pace pace_;
  const Clock::time_point began_ = Clock::now();

  std::atomic<std::size_t> done_{0};
  std::size_t shown_ = 0;  // columns on the terminal; of the thread, and after it of the destructor
  std::mutex mutex_;
  std::condition_variable ended_;
  bool is_over_ = false;  // guarded by mutex_
  std::thread thread_;
};

}  // namespace milter::cli
