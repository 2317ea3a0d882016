// Upkeep, all tables alike. Blocks: upkeep_blocks_test.cpp; live limits and accounts: upkeep_limits_test.cpp.
#include "tests/quota/upkeep_rig.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>

namespace quota {

using namespace upkeep_rig;

TEST_CASE("a name is read as this site's configuration means it, and what no message can bear is answered in the table") {
  const auto means = [](Ids& ids) {
    auto named = ids.means();
    named.names = [] { return Names{{"example.com", "+"}, std::vector<std::string>{"mailbox", "daily"}}; };
    return named;
  };
  const struct {
    const char* why;
    TablesText now;
    Steps want;
  } rows[] = {
      {"a bare login gets the realm", read({{"user:alice", "stolen"}}),
       {alice + ": absent -> 'id=new1 since=2026-11-22T12:00:00Z action=reject stolen' mark new1 instead of user:alice event blocked"}},
      {"a sender loses its detail", read({{"sender:alice+x@example.com", "stolen"}}),
       {"sender:alice@example.com: absent -> 'id=new1 since=2026-11-22T12:00:00Z action=reject stolen' mark new1 "
        "instead of sender:alice+x@example.com event blocked"}},
      {"a whole domain is no login", read({{"@example.com", "stolen"}}),
       {"@example.com: 'stolen' -> 'ERROR: '@example.com' is a whole domain: write user_domain:example.com for all logins in it, or "
        "sender_domain:example.com for all senders (stolen)' event error"}},
      {"nor with its kind", read({{"user:@example.com", "stolen"}}),
       {"user:@example.com: 'stolen' -> 'ERROR: 'user:@example.com' is a whole domain: write user_domain:example.com for all logins in it, or "
        "sender_domain:example.com for all senders (stolen)' event error"}},
      {"unless one logged in so, and a daemon blocked it", read({{"user:@example.com", automatic}}), {"mark user:@example.com b2"}},
      {"a uid is a number", read({{"uid:mx1/www-data", "stolen"}}),
       {"uid:mx1/www-data: 'stolen' -> 'ERROR: 'uid:mx1/www-data' has no number for a uid: write uid:HOST/NUMBER, as in "
        "uid:mx1.example.com/1000 (stolen)' event error"}},
      {"a live limit for a bare login", read({}, {{"user:alice mailbox", "unlimited"}}),
       {alice + " mailbox: absent -> 'unlimited since=2026-11-22T12:00:00Z' instead of user:alice mailbox event limit"}},
      {"a quota that there is not", read({}, {{alice + " mailbxo", "unlimited"}}),
       {alice + " mailbxo: 'unlimited' -> 'ERROR: there is no quota 'mailbxo'; write mailbox, daily or * for all (unlimited)' event error"}},
      {"nor in another spelling", read({}, {{"Alice@example.com mailbxo", "unlimited"}}),
       {"Alice@example.com mailbxo: 'unlimited' -> 'ERROR: there is no quota 'mailbxo'; write mailbox, daily or * for all (unlimited)' event error"}},
      {"but one that another daemon has taken may be new to this one", read({}, {{alice + " bulk", "unlimited since=2026-11-22T11:00:00Z"}}), {}},
      {"every quota, and every identity", read({}, {{"* *", "unlimited since=2026-11-22T11:00:00Z"}, {"* daily", "none since=2026-11-22T11:00:00Z"}}), {}},
      {"an account's bare login", read({}, {}, {{"user:alice", "acme"}}), {alice + ": absent -> 'acme' instead of user:alice"}},
  };
  for (const auto& row : rows) {
    CAPTURE(row.why);
    Ids ids;
    CHECK(said(plan(known(read({})), row.now, means(ids))) == row.want);
  }
}

TEST_CASE("entries that another configuration makes another spelling of are renamed, not released") {
  const auto before = known(read({{"user:alice", whole}}, {{"user:alice mailbox", "unlimited since=2026-11-22T11:00:00Z"}}));
  Ids ids;
  auto means = ids.means();
  means.names = [] { return Names{{"example.com", ""}, {}}; };
  const auto planned = plan(before, read({{"user:alice", whole}}, {{"user:alice mailbox", "unlimited since=2026-11-22T11:00:00Z"}}), means);
  CHECK(said(planned) == Steps{alice + ": absent -> '" + whole + "' mark b1 instead of user:alice event blocked",
                               alice + " mailbox: absent -> 'unlimited since=2026-11-22T11:00:00Z' instead of user:alice mailbox event limit"});
  CHECK(planned.tables.find_block(alice_identity, noon));
}

TEST_CASE("what stood in another spelling only counts no more when it is gone before it was renamed") {
  Ids ids;
  const auto found = plan(known(read({})), read({{"ALICE@example.com", "stolen"}}, {{"ALICE@example.com *", "unlimited"}, {"*  *", "observe"}}), ids.means());
  CHECK(found.tables.find_block(alice_identity, noon));
  REQUIRE(found.tables.find_override(alice_identity, "mailbox", noon));
  REQUIRE(found.tables.mode(noon) == Mode::observe);
  const TablesText gone[] = {read({}), {{{"epoch", "e1"}}, {}, {}, "run-2", noon}, {{}, {}, {}, "run-1", noon}};
  for (const auto& now : gone) {
    CAPTURE(now.history);
    const auto after = plan(found.after, now, ids.means());
    CHECK(after.tables.overrides().empty());
    CHECK_FALSE(after.tables.mode(noon));
  }
  // Still not renamed: it goes on to count, reading after reading.
  const auto still = plan(found.after, read({{"ALICE@example.com", "stolen"}}, {{"ALICE@example.com *", "unlimited"}, {"*  *", "observe"}}), ids.means());
  CHECK(still.tables.overrides().size() == 2);
  CHECK(plan(still.after, read({}), ids.means()).tables.overrides().empty());
}

TEST_CASE("a reading takes as long as it has entries, in whatever spelling") {
  const auto took = [](int entries) {
    TablesText text = read({});
    for (int i = 0; i < entries; ++i) {
      const auto name = "U" + std::to_string(i) + "@Example.com";
      text.blocked.add(name, "stolen");
      text.overrides.add(name + " mailbox", "unlimited");
      text.accounts.add(name, "acme");
    }
    auto shortest = std::chrono::steady_clock::duration::max();
    for (int i = 0; i < 3; ++i) {
      Ids ids;
      const auto begun = std::chrono::steady_clock::now();
      const auto planned = plan({}, text, ids.means());
      shortest = std::min(shortest, std::chrono::steady_clock::now() - begun);
      CHECK(planned.tables.blocked().size() == static_cast<std::size_t>(entries));
      CHECK(planned.tables.accounts.size() == static_cast<std::size_t>(entries));
    }
    return shortest;
  };
  // Eight times as many: about 8 times as long, and not 64 times.
  CHECK(took(16'000) < 24 * took(2'000));
}

TEST_CASE("a reading that leads to nothing is told from its texts alone, and only that one") {
  const std::string limit = "unlimited since=2026-11-22T11:00:00Z";
  const auto text = read({{alice, whole_until_one}}, {{alice + " *", limit}}, {{alice, "acme"}});
  auto settled = [&] {
    Ids ids;
    return plan(known(text), text, ids.means()).after;
  }();
  REQUIRE(settled.is_settled);
  CHECK(is_as_known(settled, text));
  const auto later = [&](Milliseconds by, TablesText now) {
    now.now += by;
    return now;
  };
  const struct {
    const char* why;
    TablesText now;
    bool want;
  } rows[] = {
      {"before anything ends", later(59min, text), true},
      {"when something has ended", later(60min, text), false},
      {"another block", read({{alice, whole_until_one}, {"user:bob@example.com", whole}}, {{alice + " *", limit}}, {{alice, "acme"}}), false},
      {"another text", read({{alice, whole}}, {{alice + " *", limit}}, {{alice, "acme"}}), false},
      {"another identity", read({{"user:bob@example.com", whole_until_one}}, {{alice + " *", limit}}, {{alice, "acme"}}), false},
      {"no block", read({}, {{alice + " *", limit}}, {{alice, "acme"}}), false},
      {"another limit", read({{alice, whole_until_one}}, {{alice + " *", "none since=2026-11-22T11:00:00Z"}}, {{alice, "acme"}}), false},
      {"no limit", read({{alice, whole_until_one}}, {}, {{alice, "acme"}}), false},
      {"another account", read({{alice, whole_until_one}}, {{alice + " *", limit}}, {{alice, "other"}}), false},
      {"another epoch", {{{"epoch", "e2"}, {alice, whole_until_one}}, {{alice + " *", limit}}, {{alice, "acme"}}, "run-1", noon}, false},
      {"in another order", {{{"epoch", "e1"}, {alice, whole_until_one}}, {{alice + " *", limit}}, {{alice, "acme"}}, "run-1", noon}, true},
      {"no epoch, and a field in its place", {{{alice, whole_until_one}, {"x", "y"}}, {{alice + " *", limit}}, {{alice, "acme"}}, "run-1", noon}, false},
      {"another server", {text.blocked, text.overrides, text.accounts, "run-2", noon}, false},
  };
  for (const auto& row : rows) {
    CAPTURE(row.why);
    CHECK(is_as_known(settled, row.now) == row.want);
  }
  // What was left to do is to be done, however often the same is read.
  for (const auto& unfinished : {read({{alice, "stolen"}}), read({{alice, whole}}), read({}, {{alice + " mailbox", "rubbish"}}), read({}, {}, {{alice, "a b c"}})}) {
    Ids ids;
    const auto planned = plan({}, unfinished, ids.means());
    CHECK_FALSE(planned.steps.empty());
    CHECK_FALSE(is_as_known(planned.after, unfinished));
  }
  CHECK_FALSE(is_as_known({}, read({})));
}

TEST_CASE("there are news exactly where a restart would have to know them") {
  const auto text = read({{alice, whole}});
  const struct {
    const char* why;
    TablesText now;
    bool want;
  } rows[] = {
      {"the same again", text, false},
      {"a live limit", read({{alice, whole}}, {{alice + " *", "unlimited since=2026-11-22T11:00:00Z"}}), false},
      {"another block", read({{alice, whole}, {"user:bob@example.com", automatic}}), true},
      {"one in place of another", read({{"user:bob@example.com", whole}}), true},
      {"none", read({}), true},
      {"another text", read({{alice, whole_until_one}}), true},
      {"another server", {{{"epoch", "e1"}, {alice, whole}}, {}, {}, "run-2", noon}, true},
      {"another epoch", {{{"epoch", "e2"}, {alice, whole}}, {}, {}, "run-1", noon}, true},
  };
  for (const auto& row : rows) {
    CAPTURE(row.why);
    Ids ids;
    CHECK(plan(known(text), row.now, ids.means()).has_news == row.want);
  }
  Ids ids;
  CHECK(plan({}, read({}), ids.means()).has_news);  // the epoch

  // Put back and not yet seen again: nothing new each time that this does not succeed.
  const TablesText empty{{{"epoch", "e2"}}, {}, {}, "run-2", noon};
  const auto once = plan(known(text), empty, ids.means());
  CHECK(once.has_news);
  CHECK_FALSE(plan(once.after, empty, ids.means()).has_news);
}

TEST_CASE("the first reading of an empty store only writes an epoch") {
  Ids ids;
  const auto planned = plan({}, {{}, {}, {}, "run-1", noon}, ids.means());
  CHECK(said(planned) == Steps{"epoch: absent -> 'new1'"});
  CHECK_FALSE(planned.wake_at);
}

TEST_CASE("the next wake is when the first entry ends") {
  Ids ids;
  const auto planned = plan({}, read({{alice, automatic}}, {{"* mailbox", "none until=2026-11-22T12:30:00Z"}}), ids.means());
  CHECK(planned.wake_at == noon + 30min);
}

}  // namespace quota
