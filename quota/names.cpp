// The words that enumerators have in configuration, logs and JSON. One place, so that a thing has one name.
#include <array>

#include "quota/policy.hpp"

namespace quota {

std::string_view name(Action action) {
  constexpr std::array<std::string_view, 4> names{"accept", "quarantine", "tempfail", "reject"};
  return names[static_cast<std::size_t>(action)];
}

std::optional<Action> action_called(std::string_view text) {
  for (const Action action : {Action::accept, Action::quarantine, Action::tempfail, Action::reject})
    if (name(action) == text) return action;
  return std::nullopt;
}

namespace {
constexpr std::array<std::string_view, 9> cause_names{"inbound", "exempt",          "uncovered", "within", "over",
                                                      "too_big", "nothing_allowed", "blocked",   "outage"};
}

std::string_view name(Cause cause) { return cause_names[static_cast<std::size_t>(cause)]; }

std::optional<Cause> cause_called(std::string_view text) {
  const auto found = std::find(cause_names.begin(), cause_names.end(), text);
  if (found == cause_names.end()) return std::nullopt;
  return static_cast<Cause>(found - cause_names.begin());
}

std::string_view name(When when) {
  constexpr std::array<std::string_view, 3> names{"any", "smtp", "local"};
  return names[static_cast<std::size_t>(when)];
}

std::string_view name(OnFailure on_failure) {
  constexpr std::array<std::string_view, 3> names{"local", "accept", "tempfail"};
  return names[static_cast<std::size_t>(on_failure)];
}

std::string_view name(Table table) {
  constexpr std::array<std::string_view, 3> names{"blocked", "override", "account"};
  return names[static_cast<std::size_t>(table)];
}

}  // namespace quota
