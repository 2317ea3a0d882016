// The view of all expected texts: 2026-11-22 14:00:00 UTC, 80 columns, no colours.
#pragma once

#include "milter/cli/terminal.hpp"

namespace test {

inline const milter::cli::View view{.now = std::chrono::sys_days(std::chrono::year(2026) / 11 / 22) +
                                           std::chrono::hours(14)};

}  // namespace test
