#include "quota/tables.hpp"

#include <doctest/doctest.h>

#include "quota/time_text.hpp"
#include "tests/support/must.hpp"

namespace quota {
namespace {

using namespace std::chrono_literals;

const Timestamp now = must(parse_moment("2026-11-22T05:00:00Z"));
const Identity alice{Kind::user, "alice@example.com"};
const Identity bob{Kind::user, "bob@example.com"};

Tables with_overrides(std::initializer_list<std::pair<std::string_view, std::string_view>> entries) {
  Tables tables;
  for (const auto& [field, text] : entries) {
    const auto key = must(parse_override_key(field));
    tables.set_override(key.text(), must(parse_override(key, text)));
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
  tables.block(alice.text(), must(parse_block("until=2026-11-22T05:00:00Z stolen")));
  CHECK(tables.find_block(alice, now - Milliseconds{1}));
  CHECK(!tables.find_block(alice, now));
  CHECK(!tables.find_block(bob, now - Milliseconds{1}));
  CHECK(!tables.find_block({Kind::sender, alice.value}, now - Milliseconds{1}));
}

TEST_CASE("what is written to tables or to a copy of them does not show in the other, however the shards are shared") {
  const auto name = [](int i) { return "user:u" + std::to_string(i) + "@example.com"; };
  const auto reason = [&](const Tables& tables, int i) {
    const auto* const block = tables.blocked().find(name(i));
    return block ? block->reason : std::string("none");
  };
  Tables first;
  for (int i = 0; i < 2000; ++i) first.block(name(i), must(parse_block("first")));
  auto second = first;
  for (int i = 0; i < 2000; i += 2) second.block(name(i), must(parse_block("second")));
  for (int i = 0; i < 2000; i += 5) second.unblock(name(i));
  for (int i = 1; i < 2000; i += 2) first.unblock(name(i));  // the one that was copied from goes on, too
  const auto third = std::move(second);
  for (int i = 0; i < 2000; ++i) {
    CAPTURE(i);
    REQUIRE(reason(first, i) == (i % 2 == 1 ? "none" : "first"));
    REQUIRE(reason(third, i) == (i % 5 == 0 ? "none" : i % 2 == 0 ? "second" : "first"));
  }
  CHECK(first.blocked().size() == 1000);
  CHECK(third.blocked().size() == 1600);
  std::size_t visited = 0;
  third.blocked().each([&](const std::string& key, const Block& block) { visited += third.blocked().find(key) == &block ? 1 : 0; });
  CHECK(visited == 1600);
}

TEST_CASE("only what holds is counted, and what is needed of a message follows the entries") {
  Tables tables;
  tables.block(alice.text(), must(parse_block("until=2026-11-22T06:00:00Z stolen")));
  tables.block(bob.text(), must(parse_block("stolen")));
  tables.set_override("* mailbox", must(parse_override(must(parse_override_key("* mailbox")), "5MB / 1d until=2026-11-22T07:00:00Z")));
  CHECK(tables.count_blocks(now) == 2);
  CHECK(tables.count_blocks(now + 1h) == 1);
  CHECK(tables.count_overrides(now + 1h) == 1);
  CHECK(tables.count_overrides(now + 2h) == 0);
  CHECK(tables.needs_bytes());
  CHECK_FALSE(tables.needs_php_header());
  tables.set_override("* mailbox", must(parse_override(must(parse_override_key("* mailbox")), "6MB / 1d")));
  tables.set_override("* mailbox", must(parse_override(must(parse_override_key("* mailbox")), "6 messages / 1d")));
  CHECK_FALSE(tables.needs_bytes());
  tables.block("uid:mx1/1000", must(parse_block("hacked")));
  tables.block("uid:mx1/1000", must(parse_block("hacked again")));
  CHECK(tables.needs_php_header());
  tables.unblock("uid:mx1/1000");
  tables.unblock("uid:mx1/1000");
  CHECK_FALSE(tables.needs_php_header());
}

}  // namespace
}  // namespace quota
