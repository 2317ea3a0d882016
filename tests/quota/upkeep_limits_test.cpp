// Upkeep, live limits, the mode and accounts.
#include "tests/quota/upkeep_rig.hpp"

#include <doctest/doctest.h>

namespace quota {

using namespace upkeep_rig;

TEST_CASE("what a daemon does about live limits") {
  const std::string field = alice + " mailbox";
  const std::string since = "5000 messages / 1d since=2026-11-22T11:00:00Z";
  const struct {
    const char* why;
    TableText before;
    TableText now;
    Steps want;
  } rows[] = {
      {"an entry made by hand gets a time", {}, {{field, "5000 messages/1d until=2026-12-24T00:00:00Z"}},
       {field + ": '5000 messages/1d until=2026-12-24T00:00:00Z' -> "
                "'5000 messages / 1d since=2026-11-22T12:00:00Z until=2026-12-24T00:00:00Z' event limit"}},
      {"the switch is an event of its own", {}, {{"* *", "observe"}}, {"* *: 'observe' -> 'observe since=2026-11-22T12:00:00Z' event mode"}},
      {"what is complete needs nothing", {}, {{field, since}}, {}},
      {"one that has ended is taken away", {}, {{field, since + " until=2026-11-22T12:00:00Z"}},
       {field + ": '" + since + " until=2026-11-22T12:00:00Z' -> absent event ended"}},
      {"one that was removed is told once", {{field, since}}, {}, {"announce limit"}},
      {"so is the switch", {{"* *", "observe since=2026-11-22T11:30:00Z"}}, {}, {"announce mode"}},
      {"what cannot be understood is answered in the table", {}, {{field, "observe"}},
       {field + ": 'observe' -> 'ERROR: 'observe' is only understood for '* *' (observe)' event error"}},
      {"once", {}, {{field, "ERROR: anything (observe)"}}, {}},
      {"so is a field", {}, {{"alice", "unlimited"}},
       {"alice: 'unlimited' -> 'ERROR: write the field as 'IDENTITY QUOTA', with * for every identity or every quota (unlimited)' event error"}},
      {"another spelling is renamed", {}, {{"Alice@Example.COM  mailbox", "unlimited"}},
       {field + ": absent -> 'unlimited since=2026-11-22T12:00:00Z' instead of Alice@Example.COM  mailbox event limit"}},
      {"one that says the same goes away", {}, {{field, since}, {"alice@example.com mailbox", "5000 messages / 1d"}},
       {"alice@example.com mailbox: '5000 messages / 1d' -> absent"}},
      {"one that says something else is an error", {}, {{field, since}, {"alice@example.com mailbox", "none"}},
       {"alice@example.com mailbox: 'none' -> 'ERROR: user:alice@example.com mailbox has an entry already, which holds; "
        "change or remove that one, and remove this (none)' event error"}},
      {"one that cures an error takes its place", {}, {{field, "ERROR: x (y)"}, {"alice@example.com mailbox", "none"}},
       {field + ": 'ERROR: x (y)' -> 'none since=2026-11-22T12:00:00Z' instead of alice@example.com mailbox event limit"}},
  };
  for (const auto& row : rows) {
    CAPTURE(row.why);
    Ids ids;
    CHECK(said(plan(known(read({}, row.before)), read({}, row.now), ids.means())) == row.want);
  }
}

TEST_CASE("live limits that cannot be understood are kept to be shown, from the first reading on") {
  Ids ids;
  const auto planned = plan({}, read({}, {{alice + " mailbox", "plenty"},
                                          {alice + " *", "ERROR: anything (observe)"},
                                          {"alice", "unlimited"},
                                          {"* mailbox", "none since=2026-11-22T11:00:00Z"},
                                          {"*  mailbox", "unlimited"}}), ids.means());
  CHECK(planned.tables.overrides().size() == 1);
  const auto& errors = planned.tables.override_errors;
  REQUIRE(errors.size() == 4);
  CHECK(errors.at(alice + " *") == "ERROR: anything (observe)");
  CHECK(errors.at(alice + " mailbox").ends_with(" (plenty)"));
  CHECK(errors.at("alice").starts_with("ERROR: write the field as "));
  CHECK(errors.at("*  mailbox").starts_with("ERROR: * mailbox has an entry already"));
  // Another spelling that cures one takes its place.
  const auto cured = plan({}, read({}, {{alice + " mailbox", "plenty"}, {"Alice@example.com mailbox", "none"}}), ids.means());
  CHECK(cured.tables.override_errors.empty());
  CHECK(cured.tables.overrides().contains(alice + " mailbox"));
}

TEST_CASE("observing is announced again each hour, under one name, once by each daemon") {
  const auto text = [](Timestamp now) {
    auto tables = read({}, {{"* *", "observe since=2026-11-22T12:00:00Z"}});
    tables.now = now;
    return tables;
  };
  Ids ids;
  Known knows;
  std::vector<std::string> claims;
  const struct {
    Milliseconds at;
    std::size_t announcements;
  } moments[] = {{0min, 0}, {59min, 0}, {60min, 1}, {61min, 0}, {119min, 0}, {121min, 1}, {300min, 1}};
  for (const auto& moment : moments) {
    CAPTURE(moment.at);
    auto planned = plan(std::move(knows), text(noon + moment.at), ids.means());
    CHECK(planned.steps.size() == moment.announcements);
    for (const auto& step : planned.steps) claims.push_back(std::get<Announce>(step).claim);
    CHECK(planned.wake_at == noon + (moment.at / 60min + 1) * 60min);
    knows = std::move(planned.after);
  }
  CHECK(claims.size() == 3);
  CHECK(claims[0] != claims[1]);
  const auto other_daemon = plan({}, text(noon + 90min), ids.means());
  CHECK(std::get<Announce>(other_daemon.steps.at(0)).claim == claims[0]);
}

TEST_CASE("what a daemon does about live accounts") {
  const struct {
    const char* why;
    TableText now;
    Steps want;
    const char* account;  // of alice; empty: none
  } rows[] = {
      {"as written", {{alice, "acme gold"}}, {}, "acme"},
      {"another spelling is renamed", {{"Alice@example.com", "acme"}}, {alice + ": absent -> 'acme' instead of Alice@example.com"}, "acme"},
      {"one that says the same goes away", {{alice, "acme"}, {"Alice@example.com", "acme"}}, {"Alice@example.com: 'acme' -> absent"}, "acme"},
      {"an error is answered and ignored", {{alice, "acme gold 3"}},
       {alice + ": 'acme gold 3' -> 'ERROR: 'acme gold 3' is no account: write ACCOUNT or ACCOUNT PLAN (acme gold 3)' event error"}, ""},
      {"an ERROR is no account", {{alice, "ERROR: acme"}}, {}, ""},
  };
  for (const auto& row : rows) {
    CAPTURE(row.why);
    Ids ids;
    const auto planned = plan({}, read({}, {}, row.now), ids.means());
    CHECK(said(planned) == row.want);
    const auto* account = planned.tables.accounts.find(alice_identity);
    CHECK((account ? account->name : "") == row.account);
  }
}

TEST_CASE("accounts that stand there as before are kept, and others are read anew") {
  Ids ids;
  const Identity owner{Kind::user_domain, "example.com"};
  const auto name = [&](const Plan& planned) {
    const auto* const account = planned.tables.accounts.find(owner);
    return account ? account->name : std::string("none");
  };
  const auto text = [](std::string_view account) { return read({{alice, whole}}, {}, {{"user_domain:example.com", account}}); };
  const auto first = plan(plan(known(text("acme")), text("acme"), ids.means()).after, text("acme"), ids.means());
  REQUIRE(first.after.is_settled);
  CHECK(name(first) == "acme");
  CHECK(name(plan(first.after, text("acme"), ids.means())) == "acme");
  CHECK(name(plan(first.after, text("other"), ids.means())) == "other");
  CHECK(name(plan(first.after, read({{alice, whole}}), ids.means())) == "none");
  const auto wrong = plan(first.after, text("a b c"), ids.means());
  CHECK(name(wrong) == "none");
  CHECK(plan(wrong.after, text("a b c"), ids.means()).steps.size() == wrong.steps.size());  // still to be complained of
}

}  // namespace quota
