#include "quota/store/blocker.hpp"

#include <doctest/doctest.h>

#include "quota/store/random_id.hpp"
#include "quota/time_text.hpp"
#include "tests/support/scripted_ledger.hpp"

namespace quota {
namespace {

using namespace std::chrono_literals;

const Identity alice{Kind::user, "alice@example.com"};
const BlockRule rule{.refusals = 300, .window = 10min, .steps = {Milliseconds{1h}, Milliseconds{6h}, std::nullopt}, .forget = 168h};

std::optional<BlockRule> rule_of(const std::string& quota) { return quota == "mailbox" ? std::optional(rule) : std::nullopt; }

/// One daemon: a keeper and a blocker on their door to the store.
struct Daemon {
  explicit Daemon(SharedLedger& shared)
      : door(shared),
        keeper(door, {.host = "mx1", .means = {random_id, [](const std::string&) { return rule.forget; }}}),
        blocker(door, keeper, {.host = "mx1", .rule = rule_of, .new_id = random_id, .flush_every = 20ms}) {
    REQUIRE(keeper.first_read(5s));
  }
  [[nodiscard]] const Block* block() {
    tables = keeper.tables();
    return tables->blocked().find(alice.text());
  }

  ScriptedLedger door;
  Keeper keeper;
  Blocker blocker;
  TablesPtr tables;
};

void set_refusals(SharedLedger& shared, std::int64_t count, std::optional<Ladder> ladder = {}) {
  Record record;
  record.refusals["mailbox"] = Refusals{count, shared.now()};
  record.ladder = ladder;
  shared.set_record(alice, record);
}

Block written(SharedLedger& shared) { return *parse_block(shared.text(Table::blocked, alice.text())); }

}  // namespace

TEST_CASE("what is due on 20 daemons becomes one block, one event and one step of the ladder") {
  SharedLedger shared;
  std::vector<std::unique_ptr<Daemon>> daemons;
  for (int i = 0; i < 20; ++i) daemons.push_back(std::make_unique<Daemon>(shared));
  set_refusals(shared, 300);
  for (const auto& daemon : daemons) daemon->blocker.due({alice, "mailbox", 300});
  for (const auto& daemon : daemons) CHECK(eventually([&] { return daemon->block() != nullptr; }, 2s));
  const auto block = written(shared);
  CHECK(block.step == 1);
  CHECK(block.quota == "mailbox");
  CHECK(block.reason == "300 refusals in 10m");
  REQUIRE(eventually([&] { return shared.count_events("blocked") == 1; }));
  for (const auto& daemon : daemons) daemon->blocker.stop();
  CHECK(shared.count_events("blocked") == 1);
  const auto record = shared.record(alice);
  CHECK(record.block == block.id);
  CHECK(record.ladder == Ladder{1, *block.until + rule.forget});
  CHECK_FALSE(record.refusals.contains("mailbox"));
}

TEST_CASE("the ladder is climbed while it is remembered") {
  const struct {
    std::optional<Milliseconds> forget_in;
    std::int64_t before;
    std::int64_t step;
    Action action;
  } rows[] = {{std::nullopt, 0, 1, Action::tempfail}, {1h, 1, 2, Action::tempfail}, {1h, 2, 3, Action::reject}, {-1h, 2, 1, Action::tempfail}};
  for (const auto& row : rows) {
    CAPTURE(row.before);
    SharedLedger shared;
    Daemon daemon(shared);
    std::optional<Ladder> ladder;
    if (row.forget_in) ladder = Ladder{row.before, shared.now() + *row.forget_in};
    set_refusals(shared, 300, ladder);
    daemon.blocker.due({alice, "mailbox", 300});
    REQUIRE(eventually([&] { return daemon.block() != nullptr; }));
    CHECK(written(shared).step == row.step);
    CHECK(written(shared).action == row.action);
    CHECK(written(shared).until.has_value() == (row.step < 3));
  }
}

TEST_CASE("refusals that were answered from memory are counted, and block when there are enough") {
  SharedLedger shared;
  Daemon daemon(shared);
  set_refusals(shared, 100);
  for (int i = 0; i < 199; ++i) daemon.blocker.refused(alice, "mailbox", 10min);
  REQUIRE(eventually([&] { return shared.record(alice).refusals["mailbox"].count == 299; }));
  CHECK_FALSE(daemon.block());
  daemon.blocker.refused(alice, "mailbox", 10min);
  CHECK(eventually([&] { return daemon.block() != nullptr; }, 1s));
  CHECK(daemon.blocker.dropped() == 0);
}

TEST_CASE("refusals that wait to be counted are gone with a release") {
  const Identity bob{Kind::user, "bob@example.com"};
  const auto count = [](SharedLedger& shared, const Identity& who) { return shared.record(who).refusals["mailbox"].count; };
  SharedLedger shared;
  Daemon daemon(shared);
  for (int i = 0; i < 299; ++i) daemon.blocker.refused(alice, "mailbox", 10min);
  daemon.blocker.refused(bob, "mailbox", 10min);
  daemon.blocker.forget(alice);
  const auto before = count(shared, alice);  // none, or all where they were on their way
  CHECK((before == 0 || before == 299));
  REQUIRE(eventually([&] { return count(shared, bob) == 1; }));
  CHECK(count(shared, alice) == before);
}

TEST_CASE("a block that waits to be made is gone with a release") {
  const Identity bob{Kind::user, "bob@example.com"};
  SharedLedger shared;
  Daemon daemon(shared);
  Record record;
  record.refusals["mailbox"] = Refusals{300, shared.now()};
  for (const auto& who : {alice, bob}) shared.set_record(who, record);
  daemon.door.fail({.records = 1'000'000});
  for (const auto& who : {alice, bob}) daemon.blocker.due({who, "mailbox", 300});
  daemon.blocker.forget(alice);
  daemon.door.fail({});
  CHECK(eventually([&] { return !shared.text(Table::blocked, bob.text()).empty(); }));
  CHECK(shared.text(Table::blocked, alice.text()).empty());
}

TEST_CASE("refusals from before a block was seen are not counted after it, not even when it is released at once") {
  const Identity bob{Kind::user, "bob@example.com"};
  SharedLedger shared;
  ScriptedLedger door(shared);
  Keeper keeper(door, {.host = "mx1", .means = {random_id, [](const std::string&) { return rule.forget; }}});
  Blocker blocker(door, keeper, {.host = "mx1", .rule = rule_of, .new_id = random_id, .flush_every = 1h});
  REQUIRE(keeper.first_read(5s));
  for (const auto& who : {alice, bob}) blocker.refused(who, "mailbox", 10min);
  shared.put(Table::blocked, alice.text(), "password stolen");
  REQUIRE(eventually([&] { return keeper.tables()->blocked().contains(alice.text()); }));
  shared.remove(Table::blocked, alice.text());
  REQUIRE(eventually([&] { return !keeper.tables()->blocked().contains(alice.text()); }));
  blocker.stop();  // flushes what it has
  CHECK(shared.record(bob).refusals["mailbox"].count == 1);
  CHECK_FALSE(shared.record(alice).refusals.contains("mailbox"));
}

TEST_CASE("what was due before a release or another block does not block") {
  SharedLedger shared;
  Daemon daemon(shared);
  const Identity last{Kind::user, "last@example.com"};
  daemon.blocker.due({alice, "mailbox", 300});  // the record was emptied meanwhile
  Record record;
  record.refusals["mailbox"] = Refusals{300, shared.now()};
  shared.set_record(last, record);
  daemon.blocker.due({last, "mailbox", 300});
  REQUIRE(eventually([&] { return !shared.text(Table::blocked, last.text()).empty(); }));
  CHECK(shared.text(Table::blocked, alice.text()).empty());
  CHECK(shared.count_events("blocked") <= 1);
}

TEST_CASE("a block that has ended and still stands there is replaced") {
  SharedLedger shared;
  Daemon daemon(shared);
  set_refusals(shared, 300);
  const auto ended = "id=old since=2020-01-01T00:00:00Z until=2020-01-02T00:00:00Z action=tempfail quota=mailbox step=1 x";
  shared.put(Table::blocked, alice.text(), ended);
  daemon.blocker.due({alice, "mailbox", 300});
  CHECK(eventually([&] { return daemon.block() != nullptr && daemon.block()->id != "old"; }));
  CHECK(shared.count_events("released") == 0);
}

TEST_CASE("a bad day of the store delays a block and makes it once") {
  const struct {
    const char* why;
    ScriptedLedger::Failures failures;
  } rows[] = {
      {"the write did not reach the store", {.replaces = 1}},
      {"the write was done without an answer", {.replaces = 1, .executed = Executed::possibly, .kind = StoreErrorKind::timed_out}},
      {"the record could not be marked", {.marks = 1}},
      {"the event could not be written", {.appends = 1}},
  };
  for (const auto& row : rows) {
    CAPTURE(row.why);
    SharedLedger shared;
    Daemon daemon(shared);
    REQUIRE(eventually([&] { return !shared.text(Table::blocked, "epoch").empty(); }));
    set_refusals(shared, 300);
    daemon.door.fail(row.failures);
    daemon.blocker.due({alice, "mailbox", 300});
    CHECK(eventually([&] { return daemon.block() && shared.record(alice).block == written(shared).id; }));
    CHECK(eventually([&] { return shared.count_events("blocked") == 1; }));
    CHECK(written(shared).step == 1);
  }
}

TEST_CASE("a refusal is counted once, whatever becomes of those beside it") {
  const Identity bob{Kind::user, "bob@example.com"};
  const Identity carol{Kind::user, "carol@example.com"};
  const Identity dave{Kind::user, "dave@example.com"};
  const auto count = [](SharedLedger& shared, const Identity& who) { return shared.record(who).refusals["mailbox"].count; };
  const struct {
    const char* why;
    ScriptedLedger::Failures failures;
    bool is_spoilt;  // bob's record
    std::int64_t want_alice, want_bob, want_carol;
    std::uint64_t want_dropped;
  } rows[] = {
      {"one record is no hash", {}, true, 1, 0, 1, 1},
      {"the first was not counted", {.counts = 1}, false, 1, 1, 1, 0},
      {"the first may have been counted", {.counts = 1, .executed = Executed::possibly, .kind = StoreErrorKind::timed_out}, false, 1, 1, 1, 1},
      {"no answer for the first two, twice", {.counts = 5}, false, 1, 1, 1, 0},
  };
  for (const auto& row : rows) {
    CAPTURE(row.why);
    SharedLedger shared;
    Daemon daemon(shared);
    if (row.is_spoilt) shared.spoil(bob);
    daemon.door.fail(row.failures);
    for (const auto& who : {alice, bob, carol}) daemon.blocker.refused(who, "mailbox", 10min);
    CHECK(eventually([&] { return count(shared, carol) == 1 && count(shared, bob) == row.want_bob && daemon.blocker.dropped() == row.want_dropped; }));
    // Whatever is still kept is sent beside the next refusal, and once more at the end.
    daemon.blocker.refused(dave, "mailbox", 10min);
    CHECK(eventually([&] { return count(shared, dave) == 1; }));
    daemon.blocker.stop();
    CHECK(count(shared, alice) == row.want_alice);
    CHECK(count(shared, bob) == row.want_bob);
    CHECK(count(shared, carol) == row.want_carol);
    CHECK(daemon.blocker.dropped() == row.want_dropped);
  }
}

TEST_CASE("refusals that could not be counted within their window are dropped") {
  SharedLedger shared;
  Daemon daemon(shared);
  daemon.door.fail({.counts = 1'000'000});
  for (int i = 0; i < 7; ++i) daemon.blocker.refused(alice, "mailbox", 300ms);
  CHECK(eventually([&] { return daemon.blocker.dropped() == 7; }));
  daemon.door.fail({});
  daemon.blocker.refused(alice, "mailbox", 10min);
  CHECK(eventually([&] { return shared.record(alice).refusals["mailbox"].count == 1; }));
}

TEST_CASE("a block waits while its record cannot be read") {
  SharedLedger shared;
  Daemon daemon(shared);
  set_refusals(shared, 300);
  daemon.door.fail({.records = 2});
  daemon.blocker.due({alice, "mailbox", 300});
  CHECK(eventually([&] { return daemon.block() != nullptr; }));
  CHECK(shared.count_events("blocked") == 1);
}

TEST_CASE("more identities than there is room for are dropped and counted") {
  SharedLedger shared;
  ScriptedLedger door(shared);
  Keeper keeper(door, {.host = "mx1", .means = {random_id, [](const std::string&) { return rule.forget; }}});
  Blocker blocker(door, keeper, {.host = "mx1", .rule = rule_of, .new_id = random_id, .flush_every = 1h, .most_pending = 2});
  for (int i = 0; i < 5; ++i) blocker.refused({Kind::user, "u" + std::to_string(i) + "@example.com"}, "mailbox", 10min);
  CHECK(blocker.dropped() == 3);
  REQUIRE(keeper.first_read(5s));
  blocker.stop();  // flushes what it has
  CHECK(shared.record({Kind::user, "u0@example.com"}).refusals["mailbox"].count == 1);
}

}  // namespace quota
