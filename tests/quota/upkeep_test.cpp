#include "quota/upkeep.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>

#include "quota/time_text.hpp"

namespace quota {
namespace {

using namespace std::chrono_literals;

const Timestamp noon = *parse_moment("2026-11-22T12:00:00Z");
const std::string alice = "user:alice@example.com";
const Identity alice_identity{Kind::user, "alice@example.com"};

/// Ids in their order, so that a test can name them: new1, new2, …
struct Ids {
  int last = 0;
  Means means() {
    return {[this] { return "new" + std::to_string(++last); }, [](const std::string&) { return Milliseconds{168h}; }};
  }
};

TablesText read(TableText blocked, TableText overrides = {}, TableText accounts = {}) {
  blocked.add("epoch", "e1");
  return {std::move(blocked), std::move(overrides), std::move(accounts), "run-1", noon};
}

/// What a daemon knows that has read `text` twice: nothing is new to it, and nothing unmarked.
Known known(const TablesText& text) {
  Ids ids;
  auto after = plan(plan({}, text, ids.means()).after, text, ids.means()).after;
  for (auto& [field, block] : after.blocked) block.marked = true;
  return after;
}

std::string or_absent(const std::optional<std::string>& text) { return text ? "'" + *text + "'" : "absent"; }

std::string said(const Step& step) {
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

std::vector<std::string> said(const Plan& plan) {
  std::vector<std::string> all;
  for (const auto& step : plan.steps) all.push_back(said(step));
  return all;
}

using Steps = std::vector<std::string>;

const std::string whole = "id=b1 since=2026-11-22T11:00:00Z action=reject stolen";
const std::string whole_until_one = "id=b1 since=2026-11-22T11:00:00Z until=2026-11-22T13:00:00Z action=reject stolen";
const std::string automatic =
    "id=b2 since=2026-11-22T11:00:00Z until=2026-11-22T13:00:00Z action=tempfail quota=mailbox step=2 300 refusals in 10m";

}  // namespace

TEST_CASE("what a daemon does about a block, by what it knew and what it reads") {
  const struct {
    const char* why;
    TableText before;  // the table as it was read last; its epoch is e1
    TableText now;
    Steps want;
  } rows[] = {
      {"an entry made by hand gets an id and a time", {}, {{alice, "stolen"}},
       {alice + ": 'stolen' -> 'id=new1 since=2026-11-22T12:00:00Z action=reject stolen' mark new1 event blocked"}},
      {"its own facts stay", {}, {{alice, "until=2026-12-01T00:00:00Z action=quarantine x"}},
       {alice + ": 'until=2026-12-01T00:00:00Z action=quarantine x' -> "
                "'id=new1 since=2026-11-22T12:00:00Z until=2026-12-01T00:00:00Z action=quarantine x' mark new1 event blocked"}},
      {"one that another daemon made is looked up in the record, once", {}, {{alice, whole}}, {"mark " + alice + " b1"}},
      {"what is known needs nothing", {{alice, whole}}, {{alice, whole}}, {}},
      {"one that is gone was released", {{alice, whole}}, {}, {"release " + alice + " b1 event released"}},
      {"one that was gone by itself was not", {{alice, "id=b1 since=2026-11-22T11:00:00Z until=2026-11-22T12:00:00Z action=reject x"}}, {}, {}},
      {"one that has ended is taken away by comparing its text", {},
       {{alice, "id=b1 since=2026-11-22T11:00:00Z until=2026-11-22T12:00:00Z action=reject x"}},
       {alice + ": 'id=b1 since=2026-11-22T11:00:00Z until=2026-11-22T12:00:00Z action=reject x' -> absent event ended"}},
      {"an edited text with its id is followed", {{alice, whole_until_one}},
       {{alice, "id=b1 since=2026-11-22T11:00:00Z until=2026-11-22T13:00:00Z action=reject stolen twice"}}, {}},
      {"one with another end, too, and its record is to last as long", {{alice, whole_until_one}}, {{alice, whole}}, {"mark " + alice + " b1"}},
      {"an editor who drops the id edits the same block", {{alice, whole}}, {{alice, "until=2026-12-01T00:00:00Z ticket 2"}},
       {alice + ": 'until=2026-12-01T00:00:00Z ticket 2' -> "
                "'id=b1 since=2026-11-22T11:00:00Z until=2026-12-01T00:00:00Z action=reject ticket 2' mark b1 event blocked"}},
      {"another id is another block, so the first was released", {{alice, whole}}, {{alice, automatic}},
       {"release " + alice + " b1 event released", "mark " + alice + " b2"}},
      {"a field that is no identity is answered in the table", {}, {{"alice", "stolen"}},
       {"alice: 'stolen' -> 'ERROR: 'alice' is no identity: write kind:value, as in user:alice@example.com or "
        "script:mx1.example.com/1000:form.php (stolen)' event error"}},
      {"once", {}, {{"alice", "ERROR: anything (stolen)"}}, {}},
      {"another spelling is renamed and completed", {}, {{"ALICE@Example.com", "stolen"}},
       {alice + ": absent -> 'id=new1 since=2026-11-22T12:00:00Z action=reject stolen' mark new1 instead of ALICE@Example.com event blocked"}},
      {"one that was renamed already goes away", {{alice, whole}}, {{alice, whole}, {"Alice@example.com", "stolen"}},
       {"Alice@example.com: 'stolen' -> absent"}},
      {"one that lasts longer than the canonical one becomes it", {{alice, whole_until_one}},
       {{alice, whole_until_one}, {"Alice@example.com", "for ever"}},
       {alice + ": '" + whole_until_one + "' -> 'id=b1 since=2026-11-22T11:00:00Z action=reject for ever' mark b1 "
        "instead of Alice@example.com event blocked"}},
      {"one that does not is an error there", {{alice, whole}},
       {{alice, whole}, {"Alice@example.com", "until=2026-12-01T00:00:00Z x"}},
       {"Alice@example.com: 'until=2026-12-01T00:00:00Z x' -> 'ERROR: user:alice@example.com has an entry already, which holds; "
        "change or remove that one, and remove this (until=2026-12-01T00:00:00Z x)' event error"}},
  };
  for (const auto& row : rows) {
    CAPTURE(row.why);
    Ids ids;
    CHECK(said(plan(known(read(row.before)), read(row.now), ids.means())) == row.want);
  }
}

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

TEST_CASE("a block holds from the reading that finds it, before any step is done") {
  Ids ids;
  const struct {
    const char* field;
    const char* text;
    Action want;
  } rows[] = {{"user:alice@example.com", "stolen", Action::reject},
              {"user:alice@example.com", "action=quarantine stolen", Action::quarantine},
              {"user:alice@example.com", "until=tomorrow stolen", Action::reject},  // not understood: until released
              {"ALICE@example.com", "stolen", Action::reject},
              {"ALICE@example.com", "until=tomorrow stolen", Action::reject}};
  for (const auto& row : rows) {
    CAPTURE(row.field);
    CAPTURE(row.text);
    const auto planned = plan({}, read({{row.field, row.text}}), ids.means());
    const auto* block = planned.tables.find_block(alice_identity, noon);
    REQUIRE(block);
    CHECK(block->action == row.want);
    CHECK_FALSE(block->until);
  }
}

TEST_CASE("a block that cannot be understood has an id that follows from its text, so that its release works") {
  Ids ids;
  auto first = plan({}, read({{alice, "until=tomorrow stolen"}}), ids.means());
  REQUIRE(first.steps.size() == 1);
  const auto change = std::get<Change>(first.steps[0]);
  REQUIRE(change.desired);
  CHECK(is_error_text(*change.desired));
  REQUIRE(change.marking);
  CHECK(change.event->what == "error");

  // Another daemon sees the ERROR only, and this one sees it next: all of them mean the same block.
  const auto second = plan(first.after, read({{alice, *change.desired}}), ids.means());
  CHECK(said(second) == Steps{"mark " + alice + " " + change.marking->mark.id});
  const auto third = plan(second.after, read({}), ids.means());
  CHECK(said(third) == Steps{"release " + alice + " " + change.marking->mark.id + " event released"});
}

TEST_CASE("a typing error in a block that holds does not release it, and its cure is the same block again") {
  Ids ids;
  const auto broken = plan(known(read({{alice, whole}})), read({{alice, "until=noon x"}}), ids.means());
  REQUIRE(broken.steps.size() == 1);
  const auto error = std::get<Change>(broken.steps[0]);
  CHECK(error.event->what == "error");
  const auto cured = plan(broken.after, read({{alice, "until=2026-12-01T00:00:00Z x"}}), ids.means());
  CHECK(said(cured) == Steps{alice + ": 'until=2026-12-01T00:00:00Z x' -> 'id=" + error.marking->mark.id +
                             " since=2026-11-22T11:00:00Z until=2026-12-01T00:00:00Z action=reject x' mark " +
                             error.marking->mark.id + " event blocked"});
}

TEST_CASE("a missing block is put back where it may have been lost, not released") {
  const auto seen = known(read({{alice, automatic}, {"user:bob@example.com", "id=b3 since=2026-11-22T11:00:00Z until=2026-11-22T12:00:00Z action=reject x"}}));
  const auto put_back = alice + ": absent -> '" + automatic + "' mark b2";
  struct Row {
    const char* why;
    TablesText now;
    Steps want;
  };
  const Row rows[] = {
      {"FLUSHALL, or DEL of the table", {{}, {}, {}, "run-1", noon}, {"epoch: absent -> 'new1'", put_back, "announce lost"}},
      {"an empty server took over", {{}, {}, {}, "run-2", noon}, {"epoch: absent -> 'new1'", put_back, "announce lost"}},
      {"a server took over that has lost the last writes", {{{"epoch", "e1"}}, {}, {}, "run-2", noon}, {put_back, "announce lost"}},
      {"another daemon has begun to put back", {{{"epoch", "e2"}}, {}, {}, "run-1", noon}, {put_back, "announce lost"}},
      {"a server took over that has everything", {{{"epoch", "e1"}, {alice, automatic}}, {}, {}, "run-2", noon}, {"mark " + alice + " b2"}},
  };
  for (const auto& row : rows) {
    CAPTURE(row.why);
    Ids ids;
    const auto planned = plan(seen, row.now, ids.means());
    CHECK(said(planned) == row.want);
    CHECK(planned.tables.find_block(alice_identity, noon));
    CHECK(planned.tables.blocked().size() == 1);  // the one that has ended is not put back
  }
}

TEST_CASE("what has ended by a clock that only others believe, and is gone, was not released; where it was lost it is put back") {
  const auto seen = known(read({{alice, automatic}}, {{alice + " mailbox", "unlimited since=2026-11-22T11:00:00Z until=2026-11-22T13:00:00Z"}}));
  struct Row {
    const char* why;
    Milliseconds ahead;
    std::string history;
    Steps want;
  };
  const Row rows[] = {
      {"it holds by that clock too", 59min, "run-1", {"release " + alice + " b2 event released", "announce limit"}},
      {"it has ended by that clock", 1h, "run-1", {}},
      {"the data is lost", 1h, "run-2", {alice + ": absent -> '" + automatic + "' mark b2", "announce lost"}},
  };
  for (const auto& row : rows) {
    CAPTURE(row.why);
    Ids ids;
    auto now = read({});
    now.server_now = noon + row.ahead;
    now.history = row.history;
    CHECK(said(plan(seen, now, ids.means())) == row.want);
    now = read({{alice, automatic}});
    now.server_now = noon + row.ahead;
    CHECK(plan(seen, now, ids.means()).tables.find_block(alice_identity, noon));
  }
}

TEST_CASE("a block that could not be put back is tried again, and is a release only after it was seen again") {
  Ids ids;
  const auto lost = plan(known(read({{alice, automatic}})), {{}, {}, {}, "run-2", noon}, ids.means());
  const TablesText empty{{{"epoch", "e2"}}, {}, {}, "run-2", noon};
  const auto again = plan(lost.after, empty, ids.means());
  CHECK(said(again) == Steps{alice + ": absent -> '" + automatic + "' mark b2"});
  const auto still = plan(again.after, empty, ids.means());
  CHECK(said(still) == said(again));
  const auto seen = plan(still.after, {{{"epoch", "e2"}, {alice, automatic}}, {}, {}, "run-2", noon}, ids.means());
  CHECK(said(plan(seen.after, empty, ids.means())) == Steps{"release " + alice + " b2 event released"});
}

TEST_CASE("a block under another spelling that is taken away before its next reading was released") {
  Ids ids;
  const TableText mistyped{{"ALICE@example.com", "stolen"}};
  const auto found = plan(known(read({})), read(mistyped), ids.means());
  REQUIRE(said(found).size() == 1);

  // Renamed by any daemon, under whatever id, and taken away again.
  CHECK(said(plan(found.after, read({}), ids.means())) == Steps{"release " + alice + "  event released"});
  // Not yet renamed: it never stood under its name, and is renamed again.
  const auto again = plan(found.after, read(mistyped), ids.means());
  CHECK(said(again) == Steps{alice + ": absent -> 'id=new2 since=2026-11-22T12:00:00Z action=reject stolen' mark new2 "
                                     "instead of ALICE@example.com event blocked"});
  // Renamed by another daemon: the same block, whose id is the winner's.
  const auto renamed = plan(again.after, read({{alice, whole}}), ids.means());
  CHECK(said(renamed) == Steps{"mark " + alice + " b1"});
  CHECK(said(plan(renamed.after, read({}), ids.means())) == Steps{"release " + alice + " b1 event released"});
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

TEST_CASE("a block that had ended holds again while it still stands and the clock steps back") {
  Ids ids;
  const auto at = [](Timestamp moment) {
    auto text = read({{alice, automatic}});
    text.now = moment;
    return text;
  };
  const auto before = plan(known(at(noon)), at(noon), ids.means());
  REQUIRE(before.tables.find_block(alice_identity, noon));
  const auto ended = plan(before.after, at(noon + 2h), ids.means());
  CHECK(ended.tables.blocked().empty());
  const auto back = plan(ended.after, at(noon), ids.means());
  CHECK(back.tables.find_block(alice_identity, noon));
  const auto settled = plan(back.after, at(noon), ids.means());
  CHECK(settled.tables.find_block(alice_identity, noon));
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

TEST_CASE("a known block that goes while a shorter one stands under another spelling is not forgotten") {
  Ids ids;
  const TablesText now{{{"epoch", "e2"}, {"ALICE@example.com", "until=2026-11-22T12:30:00Z x"}}, {}, {}, "run-2", noon};
  const auto planned = plan(known(read({{alice, automatic}})), now, ids.means());
  REQUIRE(planned.tables.find_block(alice_identity, noon));
  CHECK(planned.tables.find_block(alice_identity, noon)->until == noon + 1h);
}

TEST_CASE("what an earlier process knew counts like what this one has read, but old releases are not told again") {
  auto recalled = known(read({{alice, automatic}}));
  recalled.is_recalled = true;
  const auto put_back = alice + ": absent -> '" + automatic + "' mark b2";
  using Telling = Release::Telling;
  const struct {
    const char* why;
    Milliseconds age;
    TablesText now;
    Steps want;
  } rows[] = {
      {"nothing happened", 1min, read({{alice, automatic}}), {}},
      {"released while no daemon ran", 1min, read({}), {"release " + alice + " b2 event released"}},
      {"released, and known from long ago", 240h, read({}), {"release " + alice + " b2 event released"}},
      {"FLUSHALL meanwhile", 1min, {{}, {}, {}, "run-1", noon}, {"epoch: absent -> 'new1'", put_back, "announce lost"}},
      {"an empty server took over", 1min, {{}, {}, {}, "run-2", noon}, {"epoch: absent -> 'new1'", put_back, "announce lost"}},
      {"another daemon has begun to put back", 1min, {{{"epoch", "e2"}}, {}, {}, "run-2", noon}, {put_back, "announce lost"}},
      {"a failover that lost the last writes", 1min, {{{"epoch", "e1"}}, {}, {}, "run-2", noon}, {put_back, "announce lost"}},
      {"a failover, and known from long ago: others have kept the table", 25h, {{{"epoch", "e1"}}, {}, {}, "run-2", noon}, {}},
      {"another data set, and known from long ago", 25h, {{{"epoch", "e2"}}, {}, {}, "run-2", noon}, {}},
      {"an empty store, and known from long ago: nobody has kept it", 240h, {{}, {}, {}, "run-2", noon}, {"epoch: absent -> 'new1'", put_back, "announce lost"}},
  };
  for (const auto& row : rows) {
    CAPTURE(row.why);
    Ids ids;
    recalled.read_at = noon - row.age;
    const auto planned = plan(recalled, row.now, ids.means());
    CHECK(said(planned) == row.want);
    CHECK(planned.has_news);
    CHECK_FALSE(planned.after.is_recalled);
    for (const auto& step : planned.steps)
      if (const auto* release = std::get_if<Release>(&step)) CHECK(release->telling == Telling::if_done);
  }
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

TEST_CASE("the event of a loss is claimed under one name by all daemons that knew the same data") {
  Ids one, other;
  const TablesText empty{{}, {}, {}, "run-2", noon};
  const auto a = plan(known(read({{alice, automatic}})), empty, one.means());
  const auto b = plan(known(read({{alice, automatic}, {"user:bob@example.com", whole}})), empty, other.means());
  CHECK(std::get<Announce>(a.steps.back()).claim == std::get<Announce>(b.steps.back()).claim);
  CHECK(std::get<Announce>(a.steps.back()).event.text.find("must be repeated") != std::string::npos);
}

TEST_CASE("the first reading of an empty store only writes an epoch") {
  Ids ids;
  const auto planned = plan({}, {{}, {}, {}, "run-1", noon}, ids.means());
  CHECK(said(planned) == Steps{"epoch: absent -> 'new1'"});
  CHECK_FALSE(planned.wake_at);
}

TEST_CASE("the ladder of a record is rebuilt from the block's text") {
  const auto timed = *parse_block(automatic);
  const auto mark = mark_of(timed, 168h);
  CHECK(mark.ladder == Ladder{2, *timed.until + 168h});
  CHECK(mark.quota == "mailbox");
  CHECK(mark.until == timed.until);

  auto endless = timed;
  endless.until.reset();
  CHECK(mark_of(endless, 168h).ladder == Ladder{2, *timed.since + endless_block_kept_for});
  CHECK_FALSE(mark_of(*parse_block(whole), 168h).ladder);  // by hand: the ladder stays as it is
}

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

TEST_CASE("live limits and accounts are taken as found where data was lost") {
  Ids ids;
  const auto before = known(read({}, {{alice + " *", "unlimited since=2026-11-22T11:00:00Z"}}, {{alice, "acme gold"}}));
  const auto planned = plan(before, {{}, {}, {}, "run-2", noon}, ids.means());
  CHECK(said(planned) == Steps{"epoch: absent -> 'new1'", "announce lost"});
  CHECK(planned.tables.overrides().empty());
  CHECK(planned.tables.accounts.empty());
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

TEST_CASE("the next wake is when the first entry ends") {
  Ids ids;
  const auto planned = plan({}, read({{alice, automatic}}, {{"* mailbox", "none until=2026-11-22T12:30:00Z"}}), ids.means());
  CHECK(planned.wake_at == noon + 30min);
}

TEST_CASE("a field that a scan gives twice is one block") {
  Ids ids;
  CHECK(said(plan({}, read({{alice, "stolen"}, {alice, "stolen"}}), ids.means())).size() == 1);
}

}  // namespace quota
