// Time as people write it: durations (`15m`) and moments (`2026-12-01T00:00:00Z`).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "quota/result.hpp"
#include "quota/units.hpp"

namespace quota {

/// The longest duration that is accepted anywhere: ten years. Keeps every later sum within 64 bits.
inline constexpr Milliseconds longest_duration = std::chrono::days{3660};

/// Reads `NUMBER` and one of ms, s, m, h, d, w; at least 1 ms, at most `longest_duration`.
/// Errors: a sentence that says what to write instead.
[[nodiscard]] Result<Milliseconds, std::string> parse_duration(std::string_view text);

/// The shortest exact form: 900000 ms is `15m`, 90 s is `90s`.
[[nodiscard]] std::string format_duration(Milliseconds duration);

/// Reads an RFC 3339 moment: `2026-12-01T00:00:00Z`, with a fraction or an offset (`+09:00`) if wanted.
[[nodiscard]] std::optional<Timestamp> parse_moment(std::string_view text);

/// RFC 3339 in UTC; milliseconds only where there are any.
[[nodiscard]] std::string format_moment(Timestamp moment);

}  // namespace quota
