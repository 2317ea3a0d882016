// Event: something that happened to senders or daemons, as the stream of events tells it. Pure.
#pragma once

#include <compare>
#include <optional>
#include <string>
#include <string_view>

#include "quota/units.hpp"

namespace quota {

struct Event {
  std::string what;      ///< blocked, released, limit, mode, error, …
  std::string severity;  ///< info | warning | error
  std::string identity;  ///< empty where it is about none
  std::string text;      ///< one sentence
  std::string by;        ///< who: a caller, or the daemon
  std::string host;
};

/// The place of an event in the stream, given by the store when it is written: when that was, and which of that millisecond.
/// As text `1763812800000-0`.
struct EventId {
  std::int64_t ms = 0;
  std::int64_t number = 0;

  auto operator<=>(const EventId&) const = default;
  [[nodiscard]] Timestamp at() const { return Timestamp{Milliseconds{ms}}; }
  [[nodiscard]] std::string text() const;
  [[nodiscard]] static std::optional<EventId> parse(std::string_view text);
};

struct PastEvent {
  EventId id{};
  Event event{};
};

/// Which events are asked for: between these two, both excluded; the newest `count` of them.
struct EventRange {
  std::size_t count = 100;
  std::optional<EventId> after{};
  std::optional<EventId> before{};

  [[nodiscard]] bool contains(const EventId& id) const { return (!after || id > *after) && (!before || id < *before); }
};

}  // namespace quota
