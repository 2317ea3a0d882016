#include "quota/block.hpp"

#include <doctest/doctest.h>

#include <random>

#include "quota/time_text.hpp"
#include "tests/support/must.hpp"

namespace quota {
namespace {

using namespace std::chrono_literals;

const Timestamp now = must(parse_moment("2026-11-22T05:00:00Z"));

Block by_hand(std::string reason) {
  Block block;
  block.reason = std::move(reason);
  return block;
}

TEST_CASE("a reason alone is a block by hand that rejects until it is released") {
  for (const auto* text :
       {"password stolen, ticket 4711", "  password stolen, ticket 4711 ", "reason=password stolen, ticket 4711"}) {
    CAPTURE(text);
    const auto block = must(parse_block(text));
    CHECK(block == by_hand("password stolen, ticket 4711"));
    CHECK(block.is_by_hand());
    CHECK(block.holds_at(now + 24h * 365000));
  }
  CHECK(must(parse_block("")) == by_hand(""));
}

TEST_CASE("words with = before the reason are facts, and only there") {
  auto want = by_hand("password stolen until=never");
  want.until = must(parse_moment("2026-12-01T00:00:00Z"));
  want.action = Action::quarantine;
  CHECK(must(parse_block("until=2026-12-01T00:00:00Z action=quarantine password stolen until=never")) == want);
  CHECK(must(parse_block("action=quarantine  until=2026-12-01T09:00:00+09:00\tpassword stolen until=never")) == want);
  CHECK(must(parse_block("see https://example.com/?ticket=4711")) == by_hand("see https://example.com/?ticket=4711"));
  CHECK(must(parse_block("c2VjcmV0=")) == by_hand("c2VjcmV0="));
}

TEST_CASE("a block with an end holds until its end, and not at it") {
  auto block = by_hand("");
  block.until = now;
  CHECK(block.holds_at(now - 1ms));
  CHECK(!block.holds_at(now));
}

TEST_CASE("what a daemon wrote is written as documented") {
  const std::string text =
      "id=3f9c2a71b0de since=2026-11-22T05:00:00Z until=2026-11-22T06:00:00Z action=tempfail quota=mailbox step=1 300 "
      "refusals in 10m";
  const auto block = must(parse_block(text));
  CHECK(block.id == "3f9c2a71b0de");
  CHECK(block.since == now);
  CHECK(block.until == now + 1h);
  CHECK(block.action == Action::tempfail);
  CHECK(block.quota == "mailbox");
  CHECK(block.step == 1);
  CHECK(block.reason == "300 refusals in 10m");
  CHECK(!block.is_by_hand());
  CHECK(format(block) == text);
}

TEST_CASE("what cannot be understood is refused with a sentence that says what to write") {
  struct {
    std::string_view text, want;
  } const rows[] = {
      {"until=tomorrow stolen", "until=tomorrow is no time: write it as in until=2026-12-01T00:00:00Z"},
      {"until=2026-12-01 stolen", "until=2026-12-01 is no time: write it as in until=2026-12-01T00:00:00Z"},
      {"since= stolen", "since= is no time: write it as in since=2026-12-01T00:00:00Z"},
      {"action=accept stolen", "action=accept: write tempfail, reject or quarantine"},
      {"action=Reject stolen", "action=Reject: write tempfail, reject or quarantine"},
      {"untill=2026-12-01T00:00:00Z stolen", "unknown word 'untill=': write until= or action=, then the reason"},
      {"step=-1 stolen", "step=-1 is no step"},
      {"step=9999999 stolen", "step=9999999 is no step"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.text);
    const auto block = parse_block(row.text);
    REQUIRE(!block.has_value());
    CHECK(block.error() == row.want);
  }
}

TEST_CASE("an entry that was marked as an error blocks until released") {
  const auto text = error_text("unknown word 'untill='", "untill=2026-12-01T00:00:00Z stolen");
  CHECK(text == "ERROR: unknown word 'untill=' (untill=2026-12-01T00:00:00Z stolen)");
  CHECK(is_error_text(text));
  CHECK(!is_error_text("an ERROR: was made"));
  const auto block = must(parse_block(text));
  CHECK(block.is_error);
  CHECK(block.holds_at(now + 24h * 365000));
  CHECK(block.action == Action::reject);
  CHECK(format(block) == text);
  CHECK(error_text("x", std::string(100000, 'y')).size() < 600);
  std::string umlauts(1, 'x');
  for (int i = 0; i < 300; ++i) umlauts += "\xC3\xBC";
  CHECK(error_text("x", umlauts) == "ERROR: x (" + umlauts.substr(0, 499) + ")");  // none is cut in two
}

TEST_CASE("every block survives being written and read, whatever its reason and who made it") {
  std::mt19937_64 random(13);
  const auto upto = [&](std::size_t most) { return std::uniform_int_distribution<std::size_t>(0, most)(random); };
  const std::array<std::string, 8> reasons{"",         "password stolen",       "until=never, I say",
                                           "reason=x", "public: pay your bill", "a=b c=d",
                                           "=x",       "action=quarantine"};
  const std::array<std::string, 4> people{"", "alice", "Alice Smith (uid 1000)", "a=b%20c"};
  for (int i = 0; i < 500; ++i) {
    Block block;
    if (upto(1)) block.id = "3f9c2a71b0de";
    if (upto(1)) block.since = now + Milliseconds{upto(1'000'000)};
    if (upto(1)) block.until = now + Milliseconds{upto(100'000'000)};
    block.action = std::array{Action::quarantine, Action::tempfail, Action::reject}[upto(2)];
    if (upto(1)) block.quota = "mailbox";
    block.step = static_cast<std::int64_t>(upto(5));
    block.by = people[upto(people.size() - 1)];
    block.reason = reasons[upto(reasons.size() - 1)];
    CAPTURE(format(block));
    CHECK(must(parse_block(format(block))) == block);
  }
}

BlockRule rule() { return {300, 10min, {1h, 6h, std::nullopt}, 7 * 24h, Action::tempfail}; }

TEST_CASE("each block that comes before the last is forgotten is a step further on the ladder") {
  const BlockDue due{{Kind::user, "alice@example.com"}, "mailbox", 300};
  const auto endless = endless_block_kept_for;
  struct {
    std::optional<Ladder> before;
    std::int64_t step;
    std::optional<Milliseconds> lasts;
    Milliseconds forgotten_after;
    Action action;
  } const rows[] = {
      {{}, 1, 1h, 1h + 7 * 24h, Action::tempfail},
      {Ladder{0, now + 1h}, 1, 1h, 1h + 7 * 24h, Action::tempfail},
      {Ladder{1, now + 1ms}, 2, 6h, 6h + 7 * 24h, Action::tempfail},
      {Ladder{1, now}, 1, 1h, 1h + 7 * 24h, Action::tempfail},  // forgotten
      {Ladder{2, now + 1h}, 3, {}, endless, Action::reject},    // `released` rejects
      {Ladder{7, now + 1h}, 8, {}, endless, Action::reject},    // and every later time
  };
  for (const auto& row : rows) {
    CAPTURE(row.step);
    const auto next = next_block(rule(), due, row.before, now);
    CHECK(next.block.step == row.step);
    CHECK(next.block.since == now);
    CHECK(next.block.until == (row.lasts ? std::optional(now + *row.lasts) : std::nullopt));
    CHECK(next.block.action == row.action);
    CHECK(next.block.quota == "mailbox");
    CHECK(next.block.reason == "300 refusals in 10m");
    CHECK(next.block.id.empty());
    CHECK(next.ladder == Ladder{row.step, now + row.forgotten_after});
    CHECK(must(parse_block(format(next.block))) == next.block);
  }
}

}  // namespace
}  // namespace quota
