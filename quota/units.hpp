// Units: the few words in which amounts and moments are written everywhere.
#pragma once

#include <chrono>
#include <cstdint>
#include <string_view>

namespace quota {

using Milliseconds = std::chrono::milliseconds;

/// A moment of the store's clock, in whole milliseconds since 1970.
using Timestamp = std::chrono::sys_time<Milliseconds>;

/// What a limit counts.
enum class Unit : std::uint8_t { messages, recipients, bytes };

[[nodiscard]] constexpr std::string_view name(Unit unit) {
  switch (unit) {
    case Unit::messages: return "messages";
    case Unit::recipients: return "recipients";
    case Unit::bytes: return "bytes";
  }
  return "";
}

/// Every count stays below this, so that a double (Lua counts in doubles) holds it exactly.
inline constexpr std::int64_t exact_bound = std::int64_t{1} << 53;

}  // namespace quota
