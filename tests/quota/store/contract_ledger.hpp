// The contract of every Ledger, and of the held-mail bound: records, blocks, tables, claims and events.
#pragma once

#include <algorithm>

#include "tests/quota/store/contract.hpp"

namespace quota::test {

inline std::vector<std::pair<std::string, std::string>> fields(StoreFixture& fixture, const Identity& identity) {
  return format(record_of(fixture, identity));
}

inline bool replaced(StoreFixture& fixture, Table table, const std::string& field, const std::optional<std::string>& expected,
                     const std::optional<std::string>& desired) {
  return answered(fixture.ledger().replace(table, field, expected, desired));
}

inline std::vector<std::int64_t> counts_of(StoreFixture& fixture, std::span<const RefusalBatch> batches) {
  std::vector<std::int64_t> counts;
  for (auto& count : fixture.ledger().count_refusals(batches)) counts.push_back(answered(std::move(count)));
  return counts;
}

inline TablesText tables_of(StoreFixture& fixture) { return answered(fixture.ledger().tables()); }

TEST_CASE_TEMPLATE_DEFINE("held mail is counted per host, down to the bottom", Fixture, ledger_hold) {
  Fixture fixture;
  struct {
    const char* host;
    std::int64_t most, want;
  } const steps[] = {{"mx1", 2, 1}, {"mx1", 2, 2}, {"mx1", 2, 3}, {"mx1", 2, 3}, {"mx2", 2, 1}, {"mx1", 5, 3}, {"mx3", 0, 1}};
  for (const auto& step : steps) {
    CHECK(answered(fixture.store().hold(user("alice"), step.host, step.most)) == step.want);
  }
  CHECK(record_of(fixture, user("alice")).held == std::map<std::string, std::int64_t>{{"mx1", 3}, {"mx2", 1}});
}

TEST_CASE_TEMPLATE_DEFINE("refusals that were answered from memory are added in batches", Fixture, ledger_refusals) {
  Fixture fixture;
  const std::vector<RefusalBatch> batches{{user("alice"), "mailbox", 10min, 7}, {user("bob"), "mailbox", 10min, 1}, {user("alice"), "mailbox", 10min, 5}};
  CHECK(counts_of(fixture, batches) == std::vector<std::int64_t>{7, 1, 12});
  fixture.set_now(start + 9min);
  const auto outcome = take(fixture, {counted_in(charge(user("alice"), messages(1, 1h, 1), 2), 10min)});
  CHECK(outcome.charges[0].refusals == 13);  // one count, whoever counts
  fixture.set_now(start + 10min);
  CHECK(counts_of(fixture, std::vector{batches[0]}) == std::vector<std::int64_t>{7});
}

TEST_CASE_TEMPLATE_DEFINE("a block's mark keeps the buckets and starts its quota's refusals anew", Fixture, ledger_mark) {
  Fixture fixture;
  const std::vector<RefusalBatch> batches{{user("alice"), "mailbox", 10min, 7}, {user("alice"), "daily", 10min, 3}};
  REQUIRE(counts_of(fixture, batches) == std::vector<std::int64_t>{7, 3});
  std::ignore = take(fixture, {charge(user("alice"), messages(1, 1h, 1), 1)});
  const BlockMark mark{"b1", Ladder{2, start + 168h}, "mailbox", start + 1h};
  REQUIRE(fixture.ledger().mark_blocked(user("alice"), mark).has_value());
  using Fields = std::vector<std::pair<std::string, std::string>>;
  const Fields want{{"mailbox messages/1h", "1/1 0 1 1763790000000"}, {"daily refusals", "3 1763790000000"},
                    {"ladder", "2 1764394800000"}, {"block", "b1"}};
  CHECK(fields(fixture, user("alice")) == want);
  check_lifetime(fixture, user("alice"), start, 168h);

  // The same id again, by the other daemons of a cluster: what was counted since stays.
  REQUIRE(counts_of(fixture, std::vector{batches[0]}) == std::vector<std::int64_t>{7});
  REQUIRE(fixture.ledger().mark_blocked(user("alice"), {"b1", Ladder{3, start + 99h}, "mailbox", start + 1h}).has_value());
  const auto again = record_of(fixture, user("alice"));
  CHECK(again.refusals.at("mailbox").count == 7);
  CHECK(again.ladder == Ladder{2, start + 168h});
}

TEST_CASE_TEMPLATE_DEFINE("a block that was made to last longer keeps its record and ladder as long", Fixture, ledger_mark_prolonged) {
  Fixture fixture;
  const auto mark = [&](const std::optional<Ladder>& ladder, Timestamp until) {
    REQUIRE(fixture.ledger().mark_blocked(user("alice"), {"b1", ladder, "mailbox", until}).has_value());
    return record_of(fixture, user("alice")).ladder;
  };
  CHECK(mark(Ladder{2, start + 25h}, start + 1h) == Ladder{2, start + 25h});
  check_lifetime(fixture, user("alice"), start, 25h);
  CHECK(mark(Ladder{2, start + 124h}, start + 100h) == Ladder{2, start + 124h});
  check_lifetime(fixture, user("alice"), start, 124h);
  CHECK(mark({}, start + 200h) == Ladder{2, start + 124h});  // by hand from now on
  check_lifetime(fixture, user("alice"), start, 200h);
  CHECK(mark(Ladder{2, start + 25h}, start + 1h) == Ladder{2, start + 124h});  // a daemon that still reads the old text
  check_lifetime(fixture, user("alice"), start, 200h);
}

TEST_CASE_TEMPLATE_DEFINE("a block by hand leaves ladder and refusals; without an end it is kept for a year", Fixture, ledger_mark_by_hand) {
  Fixture fixture;
  REQUIRE(fixture.ledger().mark_blocked(user("alice"), {"b1", Ladder{2, start + 24h}, {}, start + 1h}).has_value());
  REQUIRE(fixture.ledger().mark_blocked(user("alice"), {"b2", {}, {}, {}}).has_value());
  const auto record = record_of(fixture, user("alice"));
  CHECK(record.block == "b2");
  CHECK(record.ladder == Ladder{2, start + 24h});
  check_lifetime(fixture, user("alice"), start, endless_block_kept_for);
}

TEST_CASE_TEMPLATE_DEFINE("of all who see a release, one empties the record", Fixture, ledger_release) {
  Fixture fixture;
  std::ignore = take(fixture, {charge(user("alice"), messages(1, 1h, 1), 1)});
  std::ignore = fixture.store().hold(user("alice"), "mx1", 5);
  const auto released = [&](const std::string& id) { return answered(fixture.ledger().release(user("alice"), id)); };
  CHECK_FALSE(released("b1"));
  CHECK_FALSE(released(""));  // no block is not a block without a name
  REQUIRE(fixture.ledger().mark_blocked(user("alice"), {"b1", Ladder{1, start + 24h}, {}, {}}).has_value());
  CHECK_FALSE(released("b2"));
  CHECK_FALSE(released(""));
  CHECK(released("b1"));
  CHECK(record_of(fixture, user("alice")).is_empty());
  CHECK(take(fixture, {charge(user("alice"), messages(1, 1h, 1), 1)}).enforced_taken);
  CHECK_FALSE(released("b1"));  // the second daemon must not refill what was used since
  CHECK(bucket_text(fixture, user("alice"), messages(1, 1h, 1)) == "1/1 0 1 1763790000000");
}

TEST_CASE_TEMPLATE_DEFINE("held messages that are gone count no longer, and never less than none", Fixture, ledger_unhold) {
  Fixture fixture;
  const auto held = [&] { return record_of(fixture, user("alice")).held; };
  REQUIRE(fixture.ledger().unhold(user("alice"), "mx1", 3).has_value());
  CHECK(held().empty());
  for (int i = 0; i < 5; ++i) REQUIRE(fixture.store().hold(user("alice"), "mx1", 10).has_value());
  REQUIRE(fixture.store().hold(user("alice"), "mx2", 10).has_value());
  REQUIRE(fixture.ledger().unhold(user("alice"), "mx1", 3).has_value());
  CHECK(held() == std::map<std::string, std::int64_t>{{"mx1", 2}, {"mx2", 1}});
  REQUIRE(fixture.ledger().unhold(user("alice"), "mx1", 3).has_value());
  CHECK(held() == std::map<std::string, std::int64_t>{{"mx2", 1}});
}

TEST_CASE_TEMPLATE_DEFINE("a refill empties the record whatever it holds", Fixture, ledger_refill) {
  Fixture fixture;
  std::ignore = take(fixture, {charge(user("alice"), messages(1, 1h, 1), 1)});
  REQUIRE(fixture.ledger().mark_blocked(user("alice"), {"b1", Ladder{1, start + 24h}, {}, {}}).has_value());
  REQUIRE(fixture.ledger().refill(user("alice")).has_value());
  REQUIRE(fixture.ledger().refill(user("nobody")).has_value());
  CHECK(record_of(fixture, user("alice")) == Record{});
  CHECK(take(fixture, {charge(user("alice"), messages(1, 1h, 1), 1)}).enforced_taken);
}

TEST_CASE_TEMPLATE_DEFINE("a table's field changes only from what was expected", Fixture, ledger_replace) {
  Fixture fixture;
  const std::string field = "user:alice@example.com";
  const std::string odd = "tab\t, line\n, \\ and \"ünï\"; 100 %";
  CHECK_FALSE(replaced(fixture, Table::blocked, field, "something", "else"));
  CHECK(replaced(fixture, Table::blocked, field, std::nullopt, odd));
  CHECK_FALSE(replaced(fixture, Table::blocked, field, std::nullopt, "a second time"));
  CHECK_FALSE(replaced(fixture, Table::blocked, field, "something else", std::nullopt));
  CHECK(replaced(fixture, Table::override_, field + " mailbox", std::nullopt, "unlimited"));
  CHECK(replaced(fixture, Table::account, field, std::nullopt, "acme gold"));
  const auto tables = tables_of(fixture);
  CHECK(tables.blocked == TableText{{field, odd}});
  CHECK(tables.overrides == TableText{{field + " mailbox", "unlimited"}});
  CHECK(tables.accounts == TableText{{field, "acme gold"}});
  CHECK(replaced(fixture, Table::blocked, field, odd, ""));  // an empty text is not an absent one
  CHECK_FALSE(replaced(fixture, Table::blocked, field, std::nullopt, "x"));
  CHECK(replaced(fixture, Table::blocked, field, "", std::nullopt));
  CHECK(replaced(fixture, Table::blocked, field, std::nullopt, std::nullopt));
  const auto after = tables_of(fixture);
  CHECK(after.blocked.empty());
  CHECK_FALSE(after.history.empty());
  CHECK(after.history == tables.history);
}

TEST_CASE_TEMPLATE_DEFINE("a change of a table ends the wait for it, and so does waking", Fixture, ledger_wait) {
  Fixture fixture;
  std::ignore = tables_of(fixture);
  fixture.ledger().wait_for_change(1ms);
  CHECK(replaced(fixture, Table::blocked, "user:alice@example.com", std::nullopt, "x"));
  const auto begin = std::chrono::steady_clock::now();
  fixture.ledger().wait_for_change(1h);
  fixture.ledger().wake();
  fixture.ledger().wait_for_change(1h);
  CHECK(std::chrono::steady_clock::now() - begin < 1min);
}

TEST_CASE_TEMPLATE_DEFINE("a claim is granted to one", Fixture, ledger_claim) {
  Fixture fixture;
  CHECK(answered(fixture.ledger().claim("digest", 1h)));
  CHECK_FALSE(answered(fixture.ledger().claim("digest", 1h)));
  CHECK(answered(fixture.ledger().claim("cleanup", 1h)));
}

TEST_CASE_TEMPLATE_DEFINE("one tells in a while, and learns how many came too late", Fixture, ledger_tell) {
  Fixture fixture;
  const std::optional<std::int64_t> too_late;
  struct {
    Milliseconds at;
    const char* name;
    std::optional<std::int64_t> want;
  } const steps[] = {{0min, "a", 0},         {1min, "a", too_late},  {59min, "a", too_late}, {59min, "b", 0}, {60min, "a", 2},
                     {61min, "a", too_late}, {119min, "b", 0}, {25h, "a", 1},
                     {24h, "a", 0}};  // a clock that steps back takes nobody's turn
  for (const auto& step : steps) {
    CAPTURE(step.at.count());
    fixture.set_now(start + step.at);
    CHECK(answered(fixture.ledger().tell(step.name, 1h)) == step.want);
  }
}

TEST_CASE_TEMPLATE_DEFINE("a script is learnt in its uid's first week, and news after it", Fixture, ledger_learn) {
  Fixture fixture;
  using What = ScriptNews::What;
  const Identity one{Kind::uid, "mx1/1000"}, other{Kind::uid, "mx1/2000"};
  struct {
    Milliseconds at;
    const Identity& uid;
    const char* script;
    const char* token;
    What want;
    std::int64_t others;
  } const steps[] = {
      {0h, one, "a", "1", What::learnt, 0},     {1h, one, "a", "2", What::known, 0},
      {167h, one, "b", "3", What::learnt, 1},   {168h, one, "a", "4", What::known, 0},
      {169h, one, "c", "5", What::is_new, 2},   {169h, one, "c", "5", What::is_new, 2},   // the same question once more
      {169h, one, "c", "6", What::known, 0},    {169h, one, "c", "5", What::known, 0},    // it was answered
      {169h, other, "a", "7", What::learnt, 0},                                          // every uid by itself
      {170h, one, "d", "8", What::is_new, 2},                                            // three have room: b was not seen for longest
      {171h, one, "b", "9", What::is_new, 2},                                            // and so a gave way
      {171h + 89 * 24h, one, "c", "10", What::known, 0}, {172h + 90 * 24h, one, "c", "11", What::known, 0},
      {172h + 90 * 24h, one, "d", "12", What::is_new, 1},                                // not seen for 90 days
  };
  for (const auto& step : steps) {
    CAPTURE(step.at.count());
    CAPTURE(step.script);
    CAPTURE(step.token);
    fixture.set_now(start + step.at);
    const auto news = answered(fixture.ledger().learn({step.uid, "mx1/1000:" + std::string(step.script), 3, step.token}));
    CHECK(static_cast<int>(news.what) == static_cast<int>(step.want));
    CHECK(news.others == step.others);
    if (step.uid == one) CHECK(news.uid_since == start);
  }
}

TEST_CASE_TEMPLATE_DEFINE("events come back newest first", Fixture, ledger_events) {
  Fixture fixture;
  CHECK(answered(fixture.ledger().events({})).empty());
  for (const auto* const text : {"one", "two", "three"})
    REQUIRE(fixture.ledger().append({"blocked", "warning", "user:alice@example.com", text, "daemon", "mx1"}).has_value());
  const auto events = answered(fixture.ledger().events({.count = 2}));
  REQUIRE(events.size() == 2);
  const auto& last = events[0].event;
  CHECK(last.text == "three");
  CHECK(events[1].event.text == "two");
  CHECK(last.what == "blocked");
  CHECK(last.severity == "warning");
  CHECK(last.identity == "user:alice@example.com");
  CHECK(last.by == "daemon");
  CHECK(last.host == "mx1");
  CHECK(events[0].id > events[1].id);
  CHECK(events[0].id.ms > 0);
  const auto texts = [&](const EventRange& range) {
    std::vector<std::string> found;
    for (const auto& one : answered(fixture.ledger().events(range))) found.push_back(one.event.text);
    return found;
  };
  CHECK(texts({.after = events[1].id}) == std::vector<std::string>{"three"});
  CHECK(texts({.after = events[0].id}).empty());
  CHECK(texts({.before = events[0].id}) == std::vector<std::string>{"two", "one"});
  CHECK(texts({.count = 1, .before = events[0].id}) == std::vector<std::string>{"two"});
}

TEST_CASE_TEMPLATE_DEFINE("each daemon writes itself into the table of nodes, and can be taken away", Fixture, ledger_nodes) {
  Fixture fixture;
  CHECK(answered(fixture.ledger().nodes()).entries.empty());
  const std::optional<std::string> none;
  REQUIRE(fixture.ledger().write_node("mx1", "version=1").has_value());
  REQUIRE(fixture.ledger().write_node("mx2/3f9c2a", "version=2 odd=\"tab\t, 100 %\"").has_value());
  REQUIRE(fixture.ledger().write_node("mx1", "version=3").has_value());
  REQUIRE(fixture.ledger().write_node("mx3", none).has_value());
  auto nodes = answered(fixture.ledger().nodes());
  std::ranges::sort(nodes.entries);
  using Entries = std::vector<std::pair<std::string, std::string>>;
  CHECK(nodes.entries == Entries{{"mx1", "version=3"}, {"mx2/3f9c2a", "version=2 odd=\"tab\t, 100 %\""}});
  CHECK(nodes.now == start);
  REQUIRE(fixture.ledger().write_node("mx1", none).has_value());
  CHECK(answered(fixture.ledger().nodes()).entries.size() == 1);
}

/// Runs the whole contract on one kind of store.
#define STORE_CONTRACT(Fixture)                                                                                             \
  TEST_CASE_TEMPLATE_INVOKE(store_bucket, Fixture);                                                                         \
  TEST_CASE_TEMPLATE_INVOKE(store_all_or_none, Fixture);                                                                    \
  TEST_CASE_TEMPLATE_INVOKE(store_several_limits, Fixture);                                                                 \
  TEST_CASE_TEMPLATE_INVOKE(store_groups, Fixture);                                                                         \
  TEST_CASE_TEMPLATE_INVOKE(store_nothing_asked, Fixture);                                                                  \
  TEST_CASE_TEMPLATE_INVOKE(store_peek, Fixture);                                                                           \
  TEST_CASE_TEMPLATE_INVOKE(store_step_back, Fixture);                                                                      \
  TEST_CASE_TEMPLATE_INVOKE(store_changed_limit, Fixture);                                                                  \
  TEST_CASE_TEMPLATE_INVOKE(store_refusals, Fixture);                                                                       \
  TEST_CASE_TEMPLATE_INVOKE(store_expiry, Fixture);                                                                         \
  TEST_CASE_TEMPLATE_INVOKE(store_threads, Fixture);                                                                        \
  TEST_CASE_TEMPLATE_INVOKE(ledger_hold, Fixture);                                                                          \
  TEST_CASE_TEMPLATE_INVOKE(ledger_refusals, Fixture);                                                                      \
  TEST_CASE_TEMPLATE_INVOKE(ledger_mark, Fixture);                                                                          \
  TEST_CASE_TEMPLATE_INVOKE(ledger_mark_prolonged, Fixture);                                                                \
  TEST_CASE_TEMPLATE_INVOKE(ledger_mark_by_hand, Fixture);                                                                  \
  TEST_CASE_TEMPLATE_INVOKE(ledger_release, Fixture);                                                                       \
  TEST_CASE_TEMPLATE_INVOKE(ledger_unhold, Fixture);                                                                        \
  TEST_CASE_TEMPLATE_INVOKE(ledger_refill, Fixture);                                                                        \
  TEST_CASE_TEMPLATE_INVOKE(ledger_replace, Fixture);                                                                       \
  TEST_CASE_TEMPLATE_INVOKE(ledger_wait, Fixture);                                                                          \
  TEST_CASE_TEMPLATE_INVOKE(ledger_tell, Fixture);                                                                          \
  TEST_CASE_TEMPLATE_INVOKE(ledger_learn, Fixture);                                                                         \
  TEST_CASE_TEMPLATE_INVOKE(ledger_claim, Fixture);                                                                         \
  TEST_CASE_TEMPLATE_INVOKE(ledger_events, Fixture);                                                                        \
  TEST_CASE_TEMPLATE_INVOKE(ledger_nodes, Fixture)

}  // namespace quota::test
