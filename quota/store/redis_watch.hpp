// RedisWatch: of what a topology sees again and again, what has changed: each change is told once, however often it is seen.
//
//   nobody says any more which servers hold the store: what was known goes on to be used, and the death of a master can no
//     longer be followed. One failed try is not told, the next may cure it.
//   a server has no answer any more, or has again
//   another server holds what one held
// Threads: one at a time; `tell` runs on it, and must not wait.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <span>
#include <string>

#include "quota/store/redis_servers.hpp"

namespace quota {

struct RedisNews {
  enum class What : std::uint8_t { discovery_fails, discovery_works, server_fails, server_works, master_changed };
  What what;
  std::string server{};     ///< whom it is about, for a person; of a changed master the old one; empty for the discovery
  std::string successor{};  ///< of a changed master; empty: nobody
  std::string error{};      ///< of what fails
};

class RedisWatch {
 public:
  using Tell = std::function<void(const RedisNews&)>;
  explicit RedisWatch(Tell tell) : tell_(std::move(tell)) {}

  /// Nobody could say which servers hold the store. Not for a store that never was found.
  void note_failed_discovery(const std::string& error);
  /// Somebody said it.
  void note_layout(const RedisLayout& layout);

  struct Health {
    std::string server;
    std::string error;  ///< empty: it serves
  };
  /// How the servers of the layout are just now, those that were looked at.
  void note_servers(std::span<const Health> servers);

  /// The first try after some that worked has failed: the next, which decides, should come soon.
  [[nodiscard]] bool is_in_doubt() const { return failed_discoveries_ == 1; }

 private:
  const Tell tell_;
  std::size_t failed_discoveries_ = 0;  // since the last that worked
  std::optional<RedisLayout> layout_{};
  std::set<std::string> failing_{};
};

}  // namespace quota
