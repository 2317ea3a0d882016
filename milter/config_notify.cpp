// `[notify]`: a part of config.cpp in a file of its own.
#include <fmt/format.h>

#include "milter/config_quota.hpp"
#include "milter/config_sections.hpp"
#include "milter/event_names.hpp"
#include "quota/text.hpp"
#include "quota/time_text.hpp"

namespace milter {
namespace {

using quota::Result;

constexpr std::int64_t most_uncovered = 1'000'000;
constexpr quota::Milliseconds shortest_uncovered = std::chrono::minutes{1};
constexpr quota::Milliseconds longest_uncovered = std::chrono::days{1};

/// Of a program with its arguments.
std::string program_problem(std::string_view text) {
  const auto words = quota::words_of(text);
  return words.empty() || words.front().starts_with('/') ? "" : in_quotes(words.front()) + " is no absolute path; there is no shell that would look for it";
}

Result<std::string, std::string> parse_event(std::string_view text) {
  if (std::find(std::begin(event_names), std::end(event_names), text) != std::end(event_names)) return {boost::system::in_place_value, text};
  return failed<std::string>(in_quotes(text) + " is no event; " + cure(text, event_names));
}

/// `100 messages / 10m`.
Result<UncoveredRule, std::string> parse_uncovered(std::string_view text) {
  const auto parts = quota::split(text, '/');
  auto unit = parts.front();
  const auto messages = quota::parse_number(quota::next_word(unit));
  const auto within = parts.size() == 2 && unit == "messages" ? quota::parse_duration(parts[1]) : failed<quota::Milliseconds>("");
  if (!messages || !within)
    return failed<UncoveredRule>(in_quotes(text) + " is no number of messages in a time; write it as in \"100 messages / 10m\", or \"off\"");
  if (*messages < 1 || *messages > most_uncovered || *within < shortest_uncovered || *within > longest_uncovered)
    return failed<UncoveredRule>(in_quotes(text) + " is out of bounds; write 1 to 1000000 messages within 1m to 1d");
  return UncoveredRule{*messages, *within};
}

void read_uncovered(Section& section, std::optional<UncoveredRule>& into) {
  const auto text = section.text("uncovered");
  if (!text) return;
  if (*text == "off") {
    into.reset();
    return;
  }
  if (const auto rule = parse_uncovered(*text))
    into = *rule;
  else
    section.problem("uncovered", rule.error());
}

}  // namespace

void read_notify(Section& section, NotifySettings& into) {
  if (auto command = section.text("command")) {
    if (auto wrong = program_problem(*command); !wrong.empty()) section.problem("command", std::move(wrong));
    into.command = std::move(*command);
  }
  if (auto on = section.list<std::string>("on", parse_event)) into.on = std::move(*on);
  if (auto daily = section.list<std::string>("daily", parse_event)) into.daily = std::move(*daily);
  read_uncovered(section, into.uncovered);
  into.addresses = section.truth("addresses").value_or(into.addresses);
}

}  // namespace milter
