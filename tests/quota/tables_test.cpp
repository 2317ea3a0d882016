#include "quota/tables.hpp"

#include <doctest/doctest.h>

#include "quota/time_text.hpp"
#include "tests/support/must.hpp"

namespace quota {
namespace {

const Timestamp now = must(parse_moment("2026-11-22T05:00:00Z"));
const Identity alice{Kind::user, "alice@example.com"};
const Identity bob{Kind::user, "bob@example.com"};

Tables with_overrides(std::initializer_list<std::pair<std::string_view, std::string_view>> entries) {
  Tables tables;
  for (const auto& [field, text] : entries) {
    const auto key = must(parse_override_key(field));
    tables.overrides.emplace(key.text(), must(parse_override(key, text)));
  }
  return tables;
}

std::string found(const Tables& tables, const Identity& identity, const std::string& quota) {
  const auto* allowance = tables.find_override(identity, quota, now);
  return allowance ? format(*allowance) : "";
}

TEST_CASE("the most specific live override decides: identity and quota, identity, quota, all") {
  const auto tables = with_overrides({{"user:alice@example.com mailbox", "1 messages / 1d"},
                                      {"user:alice@example.com *", "2 messages / 1d"},
                                      {"* mailbox", "3 messages / 1d"},
                                      {"* *", "4 messages / 1d"}});
  CHECK(found(tables, alice, "mailbox") == "1 messages / 1d");
  CHECK(found(tables, alice, "other") == "2 messages / 1d");
  CHECK(found(tables, bob, "mailbox") == "3 messages / 1d");
  CHECK(found(tables, bob, "other") == "4 messages / 1d");
  CHECK(found({}, alice, "mailbox").empty());
  const auto both = with_overrides({{"user:alice@example.com *", "2 messages / 1d"}, {"* mailbox", "3 messages / 1d"}});
  CHECK(found(both, alice, "mailbox") == "2 messages / 1d");
}

TEST_CASE("inherit ends the search: what is less specific does not count") {
  const auto tables = with_overrides({{"user:alice@example.com mailbox", "inherit"}, {"* *", "unlimited"}});
  CHECK(found(tables, alice, "mailbox") == "inherit");
  CHECK(found(tables, alice, "other") == "unlimited");
}

TEST_CASE("an entry past its end is as if it were not there") {
  const auto tables =
      with_overrides({{"user:alice@example.com mailbox", "unlimited until=2026-11-22T05:00:00Z"}, {"* *", "none"}});
  CHECK(found(tables, alice, "mailbox") == "none");
  CHECK(format(*tables.find_override(alice, "mailbox", now - Milliseconds{1})) == "unlimited");
}

TEST_CASE("the mode switch is no override, and an override is no mode") {
  const auto observing = with_overrides({{"* *", "observe until=2026-11-22T06:00:00Z"}, {"* mailbox", "none"}});
  CHECK(observing.mode(now) == Mode::observe);
  CHECK(!observing.mode(now + std::chrono::hours{1}));
  CHECK(found(observing, alice, "mailbox") == "none");
  CHECK(found(observing, alice, "other").empty());
  CHECK(!with_overrides({{"* *", "unlimited"}}).mode(now));
  CHECK(!Tables{}.mode(now));
}

TEST_CASE("a block is found by the identity it names, while it holds") {
  Tables tables;
  tables.blocked[alice.text()] = must(parse_block("until=2026-11-22T05:00:00Z stolen"));
  CHECK(tables.find_block(alice, now - Milliseconds{1}));
  CHECK(!tables.find_block(alice, now));
  CHECK(!tables.find_block(bob, now - Milliseconds{1}));
  CHECK(!tables.find_block({Kind::sender, alice.value}, now - Milliseconds{1}));
}

}  // namespace
}  // namespace quota
