// What a configuration means in numbers, and what is allowed but worth a thought: the answer of `check-config`. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "milter/config.hpp"

namespace milter {

/// The most that one sender can get through a limit in any `span`, an interval without its end, by a clock of whole
/// milliseconds: burst + ⌊(span − 1 ms) · amount / period⌋. So `250 / 15m` lets 499 through in the worst 15 minutes:
/// 250 at once, and 249 while the interval lasts; the 250th comes back with its end. Exact where the burst holds what
/// comes back in 1 ms, else an upper bound; never above what 63 bits hold. Requires: span ≥ 1 ms.
[[nodiscard]] std::int64_t most_within(const quota::Limit& limit, quota::Milliseconds span);

/// The most of each span; of several limits together the least of them.
struct Yield {
  std::int64_t at_once = 0;
  std::optional<std::int64_t> in_period{};  ///< empty for several limits together
  std::int64_t in_hour = 0;
  std::int64_t in_day = 0;
  std::int64_t in_month = 0;  ///< 30 days
  bool operator==(const Yield&) const = default;
};

struct YieldRow {
  std::string what;  ///< a limit, or what the row sums up
  quota::Unit unit;
  Yield most;
};

/// What one quota, or one of its overrides, grants.
struct GrantReport {
  std::string title;               ///< the quota, or whom the override is for
  std::vector<std::string> notes;  ///< bounds without a time, the block
  std::vector<YieldRow> rows;
};

struct ConfigReport {
  std::vector<GrantReport> grants;
  std::vector<std::string> warnings;
};

[[nodiscard]] ConfigReport report_on(const Config& config);

/// Nothing here keeps the configuration from being used.
[[nodiscard]] std::vector<std::string> warnings_about(const Config& config);

/// Tables and warnings for people, at most 80 columns wide where the names allow it.
[[nodiscard]] std::string to_text(const ConfigReport& report);

}  // namespace milter
