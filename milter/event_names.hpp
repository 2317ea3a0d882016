// The events that can be told, and are counted by name.
#pragma once

#include <array>
#include <string_view>

namespace milter {

inline constexpr std::array<std::string_view, 14> event_names{"blocked",   "released", "warned",         "first_hold",      "hold_full",   "new_script", "many_uncovered",
                                                              "degraded",  "recovered", "config_differs", "nodes_too_small", "redis_evicts", "reloaded",   "mode"};

}  // namespace milter
