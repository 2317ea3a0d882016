// TablesClock: the clock by which the entries of the live tables end: that of the server which holds them, but not where it has just
// jumped ahead.
//
// Between two readings it runs by the host's monotonic clock. A server that is further ahead of that than `most_ahead` is not followed
// until it has been so for `believed_after`: by its clock blocks would be over long before their time, and their entries taken away
// for good. A server that steps back is followed at once, for then they only last.
// Known limits: the first reading is believed, for there is nothing to compare it with. After a host has slept, its monotonic clock
// too, every server seems to have jumped.
// Threads: one at a time.
#pragma once

#include <chrono>
#include <optional>

#include "quota/units.hpp"

namespace quota {

class TablesClock {
 public:
  using Moment = std::chrono::steady_clock::time_point;
  static constexpr Milliseconds most_ahead = std::chrono::seconds{30};

  enum class News : std::uint8_t { none, jumped, believed, came_back };

  explicit TablesClock(Milliseconds believed_after) : believed_after_(believed_after) {}

  /// The server's clock was `server_now` at `at`.
  [[nodiscard]] News learn(Timestamp server_now, Moment at);

  /// Empty before the first reading.
  [[nodiscard]] std::optional<Timestamp> at(Moment moment) const;

 private:
  const Milliseconds believed_after_;
  std::optional<Milliseconds> offset_{};    // to the monotonic clock
  std::optional<Moment> ahead_since_{};     // empty: the server is followed
};

}  // namespace quota
