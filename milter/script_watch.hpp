// ScriptWatch: notices a script that starts to send, once for the whole cluster, off the message path. The store remembers which are
// known (quota/script_memory.hpp); of one uid one new script is told in an hour, with how many more there were since.
//
// Bounded: what finds no room is dropped and counted, and is asked about again when it is next handed in. While the store is away
// scripts wait. A thread of its own.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <set>
#include <string>
#include <thread>

#include "milter/counters.hpp"
#include "quota/store.hpp"

namespace milter {

/// All outlive the watch.
struct ScriptWatchTools {
  quota::Ledger& ledger;
  Counters& counters;
  std::string host;
  std::function<void(quota::Event)> tell;  ///< on the watch's thread
  std::function<std::string()> new_token;
  quota::Milliseconds retry_after = std::chrono::seconds{1};
};

class ScriptWatch {
 public:
  /// Starts the thread.
  explicit ScriptWatch(ScriptWatchTools tools);
  ~ScriptWatch();
  ScriptWatch(const ScriptWatch&) = delete;
  ScriptWatch& operator=(const ScriptWatch&) = delete;

  /// It sends; `most` are remembered of its uid. Threads: any; never waits for I/O.
  void seen(const quota::Identity& uid, const std::string& script, std::size_t most);

  /// Ends the thread; what is queued is not looked at. May be called twice.
  void stop();

 private:
  static constexpr std::size_t most_queued = 10'000;

  void run();
  /// Returns whether that is done with.
  [[nodiscard]] bool look_at(const quota::ScriptSight& sight);
  void tell(const quota::ScriptSight& sight, const quota::ScriptNews& news);

  const ScriptWatchTools tools_;

  std::mutex mutex_;
  // Guarded by mutex_.
  std::condition_variable changed_;
  std::deque<quota::ScriptSight> queue_;
  std::set<std::string> queued_;  // the scripts in it
  bool stopping_ = false;

  std::thread thread_;
};

}  // namespace milter
