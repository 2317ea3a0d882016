// Meter: how often each of many callers may come, a token bucket each (quota/token_bucket.hpp). Bounded: of too many callers those
// go first whose buckets are full again, then the one that was seen least lately.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "quota/token_bucket.hpp"

namespace milter::admin {

class Meter {
 public:
  static constexpr std::size_t most_callers = 4096;

  /// `limit` counts in times: its unit does not matter.
  explicit Meter(quota::Limit limit) : limit_(limit) {}

  /// Counts one time. Returns: how long until he may come, where he came too often; that time is not counted.
  /// Threads: one at a time.
  [[nodiscard]] std::optional<quota::Milliseconds> count(const std::string& caller, quota::Timestamp now);

 private:
  void make_room(quota::Timestamp now);

  const quota::Limit limit_;
  std::map<std::string, quota::Bucket> buckets_{};
};

}  // namespace milter::admin
