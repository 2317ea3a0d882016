#include "quota/event.hpp"

#include "quota/text.hpp"

namespace quota {

std::string EventId::text() const { return std::to_string(ms) + "-" + std::to_string(number); }

std::optional<EventId> EventId::parse(std::string_view text) {
  const auto dash = text.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const auto ms = parse_number(text.substr(0, dash));
  const auto number = parse_number(text.substr(dash + 1));
  if (!ms || !number || *ms >= exact_bound) return std::nullopt;
  return EventId{*ms, *number};
}

}  // namespace quota
