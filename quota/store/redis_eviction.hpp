// RedisEviction: finds out whether a server of the store throws records away when its memory is full, by a thread of its own.
//
// Under every `maxmemory-policy` but noeviction a full Redis drops live limits, the table of accounts and blocks without a word to
// anybody. Each server is asked for its policy (INFO memory) soon after it became known, on a connection of its own and never for
// a message, and each minute from then on. A server that may not be asked, or does not say, is taken to be in order.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <thread>

#include "quota/store/redis_topology.hpp"

namespace quota {

struct RedisEvictionOptions {
  std::chrono::milliseconds timeout{100};                         ///< what a server must answer within
  std::chrono::milliseconds every = std::chrono::minutes{1};      ///< for a server that has answered
  std::chrono::milliseconds retry_after = std::chrono::seconds{10};  ///< for one that has not
  std::chrono::milliseconds look_for_new_every = std::chrono::seconds{1};  ///< no server is asked for this
  std::string client_name = "sendquota";
  std::shared_ptr<const TlsContext> tls{};  ///< none: plain
  /// A server evicts by this policy; empty: no longer, or it is none of the store's any more. Told once for each change, on
  /// the thread; must not wait.
  std::function<void(const std::string& server, const std::string& policy)> tell = [](const std::string&, const std::string&) {};
};

class RedisEviction {
 public:
  /// Starts the thread. `topology` and `resolver` outlive it.
  RedisEviction(const RedisTopology& topology, RedisLogin login, Resolver& resolver, RedisEvictionOptions options);
  RedisEviction(const RedisEviction&) = delete;
  RedisEviction& operator=(const RedisEviction&) = delete;
  ~RedisEviction();

 private:
  using Clock = std::chrono::steady_clock;
  struct Known {
    Clock::time_point next{};  ///< not asked again before
    std::string policy{};      ///< empty: in order
  };

  void run();
  void ask_due();
  void forget_others(const std::vector<RedisServerName>& servers);
  [[nodiscard]] std::optional<std::string> policy_of(const RedisServerName& server);
  [[nodiscard]] bool rest();

  // Constant after construction.
  const RedisTopology& topology_;
  const RedisLogin login_;
  const RedisEvictionOptions options_;

  // Of the thread alone.
  RedisDialer dialer_;
  std::map<std::string, Known> known_{};  // by the server's name for a person

  std::mutex mutex_;
  // Guarded by mutex_.
  std::condition_variable ended_;
  bool is_stopping_ = false;

  std::thread thread_;
};

}  // namespace quota
