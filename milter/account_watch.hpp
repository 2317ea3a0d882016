// AccountWatch: follows the file of accounts (`identity.accounts`), so that a new customer needs no reload.
//
// It looks each second at the file's time, size and inode, and reads it where they changed. Only the accounts become others;
// everything else of the running configuration stays. A file that cannot be used is not taken: the accounts that are known go
// on, and its problems are told once for each change.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "milter/config.hpp"

namespace milter {

struct AccountWatchTools {
  std::mutex& reloading;  ///< held from the look at the running configuration until its successor was taken
  std::function<std::shared_ptr<const Config>()> running;
  std::function<void(std::shared_ptr<const Config>)> take;
  std::function<void(const std::vector<Problem>&)> refuse;
  quota::Milliseconds every = std::chrono::seconds{1};
};

class AccountWatch {
 public:
  /// Starts the thread. What the tools refer to outlives the watch.
  explicit AccountWatch(AccountWatchTools tools);
  AccountWatch(const AccountWatch&) = delete;
  AccountWatch& operator=(const AccountWatch&) = delete;
  ~AccountWatch() { stop(); }

  /// Looks once. Threads: any.
  void look();

  /// Ends the thread. May be called twice.
  void stop();

 private:
  void run(const std::stop_token& stop);

  const AccountWatchTools tools_;
  std::optional<FileState> refused_{};  // guarded by tools_.reloading
  std::jthread thread_;
};

}  // namespace milter
