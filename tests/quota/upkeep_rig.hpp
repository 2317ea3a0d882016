// What a daemon read, what it knew before, and what plan() has it do about it: one line of text a step.
#pragma once

#include "quota/time_text.hpp"
#include "quota/upkeep.hpp"

namespace quota::upkeep_rig {

using namespace std::chrono_literals;

inline const Timestamp noon = *parse_moment("2026-11-22T12:00:00Z");
inline const std::string alice = "user:alice@example.com";
inline const Identity alice_identity{Kind::user, "alice@example.com"};

/// Ids in their order, so that a test can name them: new1, new2, …
struct Ids {
  int last = 0;
  Means means() {
    return {[this] { return "new" + std::to_string(++last); }, [](const std::string&) { return Milliseconds{168h}; }};
  }
};

inline TablesText read(TableText blocked, TableText overrides = {}, TableText accounts = {}) {
  blocked.add("epoch", "e1");
  return {std::move(blocked), std::move(overrides), std::move(accounts), "run-1", noon};
}

/// What a daemon knows that has read `text` twice: nothing is new to it, and nothing unmarked.
inline Known known(const TablesText& text) {
  Ids ids;
  auto after = plan(plan({}, text, ids.means()).after, text, ids.means()).after;
  for (auto& [field, block] : after.blocked) block.marked = true;
  return after;
}

inline std::string or_absent(const std::optional<std::string>& text) { return text ? "'" + *text + "'" : "absent"; }

inline std::string said(const Step& step) {
  struct Sayer {
    std::string operator()(const Change& s) const {
      auto text = s.field + ": " + or_absent(s.expected) + " -> " + or_absent(s.desired);
      if (s.marking) text += " mark " + s.marking->mark.id;
      if (s.other_spelling) text += " instead of " + s.other_spelling->field;
      if (s.event) text += " event " + s.event->what;
      return text;
    }
    std::string operator()(const Release& s) const { return "release " + s.identity.text() + " " + s.id + " event " + s.event.what; }
    std::string operator()(const Mark& s) const { return "mark " + s.marking.identity.text() + " " + s.marking.mark.id; }
    std::string operator()(const Announce& s) const { return "announce " + s.event.what; }
  };
  return std::visit(Sayer{}, step);
}

inline std::vector<std::string> said(const Plan& plan) {
  std::vector<std::string> all;
  for (const auto& step : plan.steps) all.push_back(said(step));
  return all;
}

using Steps = std::vector<std::string>;

inline const std::string whole = "id=b1 since=2026-11-22T11:00:00Z action=reject stolen";
inline const std::string whole_until_one = "id=b1 since=2026-11-22T11:00:00Z until=2026-11-22T13:00:00Z action=reject stolen";
inline const std::string automatic =
    "id=b2 since=2026-11-22T11:00:00Z until=2026-11-22T13:00:00Z action=tempfail quota=mailbox step=2 300 refusals in 10m";

}  // namespace quota::upkeep_rig
