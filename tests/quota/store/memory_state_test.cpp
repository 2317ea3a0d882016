// What survives: restarts, crashes at any moment, damaged files, a full disk.
#include <doctest/doctest.h>

#include <random>

#include "quota/store/memory_store.hpp"
#include "tests/quota/store/contract_ledger.hpp"
#include "tests/support/full_disk.hpp"
#include "tests/support/manual_clock.hpp"
#include "tests/support/temporary_folder.hpp"

namespace quota::test {
namespace {

using ::test::TemporaryFolder;
using StorePtr = std::unique_ptr<MemoryStore>;

const Limit limit = messages(10, 100h, 10);
const std::string alice_text = "user:alice@example.com";

StorePtr opened(const std::filesystem::path& folder, const Clock& clock) {
  auto store = MemoryStore::open(clock, {.shards = 4, .state_dir = folder, .save_every = Milliseconds{0}, .on_problem = {}});
  if (!store) FAIL("cannot open: " << store.error());
  return std::move(*store);
}

/// What another daemon would find had this one been killed now.
struct Crash {
  TemporaryFolder folder{};
  StorePtr store;

  Crash(const std::filesystem::path& state, const Clock& clock) {
    std::filesystem::copy(state, folder.path(), std::filesystem::copy_options::recursive);
    store = opened(folder.path(), clock);
  }
  [[nodiscard]] Record record(const Identity& identity) const { return answered(store->record(identity)); }
};

void send(MemoryStore& store, const Identity& identity, std::int64_t cost) {
  REQUIRE(answered(store.take(std::vector{charge(identity, limit, cost)})).enforced_taken);
}

std::int64_t used(const Record& record) {
  const auto found = record.buckets.find("mailbox messages/100h");
  return found == record.buckets.end() ? 0 : found->second.used;
}

struct World {
  TemporaryFolder folder{};
  ManualClock clock{start};
  StorePtr store = opened(folder.path(), clock);

  [[nodiscard]] Crash crash() const { return {folder.path(), clock}; }
  void restart() {
    store.reset();
    store = opened(folder.path(), clock);
  }
  void block(const std::string& id) {
    REQUIRE(answered(store->replace(Table::blocked, alice_text, std::nullopt, "id=" + id)));
    REQUIRE(store->mark_blocked(user("alice"), {id, Ladder{2, start + 168h}, {}, {}}).has_value());
  }
  void release(const std::string& id) {
    REQUIRE(answered(store->replace(Table::blocked, alice_text, "id=" + id, std::nullopt)));
    REQUIRE(answered(store->release(user("alice"), id)));
  }
};

}  // namespace

TEST_CASE("a restart keeps records, tables, events and the history") {
  World world;
  send(*world.store, user("alice"), 4);
  send(*world.store, user("bob"), 1);
  world.block("b1");
  std::ignore = answered(world.store->hold(user("alice"), "mx1.example.com", 9));
  REQUIRE(world.store->append({"blocked", "warning", alice_text, "tab\t and line\n", "daemon", "mx1"}).has_value());
  REQUIRE(world.store->append({"released", "info", alice_text, "later", "root", "mx1"}).has_value());
  const auto alice = answered(world.store->record(user("alice")));
  const auto tables = answered(world.store->tables());
  world.restart();
  CHECK(world.store->notes().empty());
  CHECK(answered(world.store->record(user("alice"))) == alice);
  CHECK(used(answered(world.store->record(user("bob")))) == 1);
  const auto after = answered(world.store->tables());
  CHECK(after.blocked == tables.blocked);
  CHECK(after.history == tables.history);
  const auto events = answered(world.store->events({}));
  REQUIRE(events.size() == 2);
  CHECK(events[0].id > events[1].id);
  CHECK(events[0].event.text == "later");
  CHECK(events[1].event.text == "tab\t and line\n");
}

TEST_CASE("what expired while the daemon was away is not loaded") {
  World world;
  send(*world.store, user("alice"), 4);
  send(*world.store, user("bob"), 1);  // full again after 10 h
  world.store.reset();
  world.clock.advance(10h);
  world.store = opened(world.folder.path(), world.clock);
  CHECK(world.store->counts().records == 1);
  CHECK(used(answered(world.store->record(user("alice")))) == 4);
}

TEST_CASE("a crash loses what was sent since the last snapshot, and nothing else") {
  World world;
  send(*world.store, user("alice"), 3);
  REQUIRE(world.store->save().has_value());
  send(*world.store, user("alice"), 4);
  world.block("b1");
  REQUIRE(answered(world.store->replace(Table::override_, alice_text + " *", std::nullopt, "unlimited")));
  const auto crash = world.crash();
  CHECK(used(crash.record(user("alice"))) == 3);
  CHECK(crash.record(user("alice")).block == "b1");
  CHECK(crash.record(user("alice")).ladder == Ladder{2, start + 168h});
  CHECK(answered(crash.store->tables()).blocked == TableText{{alice_text, "id=b1"}});
  CHECK(answered(crash.store->tables()).overrides == TableText{{alice_text + " *", "unlimited"}});
}

TEST_CASE("a crash does not give a released or refilled sender his empty buckets back") {
  for (const bool is_release : {true, false}) {
    CAPTURE(is_release);
    World world;
    send(*world.store, user("alice"), 10);
    world.block("b1");
    REQUIRE(world.store->save().has_value());
    if (is_release)
      world.release("b1");
    else
      REQUIRE(world.store->refill(user("alice")).has_value());
    const auto crash = world.crash();
    CHECK(crash.record(user("alice")).is_empty());
    // And not after a second crash either, when the journal was rewritten once.
    const Crash second(crash.folder.path(), world.clock);
    CHECK(second.record(user("alice")).is_empty());
  }
}

TEST_CASE("a release that the snapshot knows of is not done again on top of it") {
  World world;
  send(*world.store, user("alice"), 10);
  world.block("b1");
  world.release("b1");
  send(*world.store, user("alice"), 6);
  REQUIRE(world.store->save().has_value());
  CHECK(used(world.crash().record(user("alice"))) == 6);
  world.restart();
  CHECK(used(answered(world.store->record(user("alice")))) == 6);
}

TEST_CASE("a release while the snapshot is being written is in it, or is done again, but not both") {
  const TemporaryFolder folder;
  const ManualClock clock(start);
  const std::vector six{charge(user("alice"), limit, 6)};
  const auto words = MemoryState::empty_words(alice_text);
  for (const bool is_before_its_shard : {true, false}) {
    CAPTURE(is_before_its_shard);
    std::filesystem::remove(folder.path() / "snapshot");
    auto state = MemoryState::open(folder.path(), start);
    REQUIRE(state.has_value());
    MemoryRecords records(clock, {1000, 4}, (*state)->seed());
    MemoryTables tables;
    EventRing events(10);
    MemoryScripts scripts;
    REQUIRE((*state)->load(records, tables, events, scripts, start).has_value());
    const auto covers = (*state)->last_number();
    const auto release = [&] { records.empty(alice_text, answered((*state)->append(words, start))); };
    std::ignore = records.take(six);
    if (is_before_its_shard) {
      release();
      std::ignore = records.take(six);
    }
    REQUIRE((*state)->write_snapshot(records, events, scripts, covers, start).has_value());
    if (!is_before_its_shard) release();
    (*state)->forget_changes(covers);
    REQUIRE((*state)->rewrite_journal(records, tables, start).has_value());
    state = std::string();  // gives the folder back
    CHECK(used(answered(opened(folder.path(), clock)->record(user("alice")))) == (is_before_its_shard ? 6 : 0));
  }
}

TEST_CASE("without its snapshot a standing block is still known to the record, and can be released") {
  World world;
  world.block("b1");
  world.restart();  // a snapshot holds the mark, and the journal was rewritten
  world.store.reset();
  std::filesystem::remove(world.folder.path() / "snapshot");
  world.store = opened(world.folder.path(), world.clock);
  CHECK(answered(world.store->record(user("alice"))).block == "b1");
  world.release("b1");
}

TEST_CASE("any crash finds the tables and blocks as they are, and nobody's bucket emptier than it is") {
  std::mt19937 random(1);
  const std::vector names{"alice", "bob", "carol", "dave", "erin", "frank"};
  World world;
  for (int step = 0; step < 150; ++step) {
    CAPTURE(step);
    const auto identity = user(names[random() % names.size()]);
    const auto id = "b" + std::to_string(random() % 2);
    switch (random() % 8) {
      case 0: std::ignore = answered(world.store->release(identity, id)); break;
      case 1: REQUIRE(world.store->refill(identity).has_value()); break;
      case 2: REQUIRE(world.store->mark_blocked(identity, {id, {}, {}, {}}).has_value()); break;
      case 3: std::ignore = answered(world.store->replace(Table::blocked, identity.text(), std::nullopt, "id=" + id)); break;
      case 4: std::ignore = answered(world.store->replace(Table::blocked, identity.text(), "id=" + id, std::nullopt)); break;
      case 5:
        if (random() % 3 == 0) world.restart();
        REQUIRE(world.store->save().has_value());
        break;
      default: std::ignore = answered(world.store->take(std::vector{charge(identity, limit, 2)}));
    }
    const auto crash = world.crash();
    CHECK(answered(crash.store->tables()).blocked == answered(world.store->tables()).blocked);
    for (const auto* const name : names) {
      const auto live = answered(world.store->record(user(name)));
      const auto found = crash.record(user(name));
      CHECK(found.block == live.block);
      CHECK(used(found) <= used(live));
    }
  }
}

TEST_CASE("a damaged snapshot is set aside, and blocks hold without it") {
  World world;
  send(*world.store, user("alice"), 10);
  world.block("b1");
  world.store.reset();
  const auto snapshot = world.folder.path() / "snapshot";
  auto bytes = ::test::bytes_of(snapshot);
  bytes[bytes.find("10/10")] = '0';
  ::test::write_bytes(snapshot, bytes);
  world.store = opened(world.folder.path(), world.clock);
  REQUIRE(world.store->notes().size() == 1);
  CHECK(world.store->notes()[0].find("full buckets, blocks hold") != std::string::npos);
  CHECK(::test::bytes_of(world.folder.path() / "snapshot.damaged-2025-11-22T05:40:00Z") == bytes);
  CHECK(answered(world.store->tables()).blocked.size() == 1);
  CHECK(answered(world.store->record(user("alice"))).block == "b1");
  CHECK(used(answered(world.store->record(user("alice")))) == 0);
}

TEST_CASE("a damaged journal is set aside, and the rest of it counts") {
  World world;
  for (const auto* const name : {"alice", "bob", "carol"})
    REQUIRE(answered(world.store->replace(Table::blocked, user(name).text(), std::nullopt, "reason of " + std::string(name))));
  world.store.reset();
  const auto journal = world.folder.path() / "journal";
  auto bytes = ::test::bytes_of(journal);
  bytes[bytes.find("of bob")] = 'O';
  ::test::write_bytes(journal, bytes);
  world.store = opened(world.folder.path(), world.clock);
  CHECK(world.store->notes().size() == 1);
  CHECK(answered(world.store->tables()).blocked.size() == 2);
  world.restart();
  CHECK(world.store->notes().empty());
  CHECK(answered(world.store->tables()).blocked.size() == 2);
}

TEST_CASE("two daemons cannot share a state_dir") {
  World world;
  const auto second = MemoryStore::open(world.clock, {.state_dir = world.folder.path(), .on_problem = {}});
  REQUIRE_FALSE(second.has_value());
  CHECK(second.error() == "state_dir " + world.folder.path().native() + " is in use by another sendquotad (process " +
                              std::to_string(::getpid()) + "); stop that one, or give this one a state_dir of its own");
}

TEST_CASE("a state_dir that cannot be used is an error, not a crash") {
  const ManualClock clock(start);
  const TemporaryFolder folder;
  ::test::write_bytes(folder.path() / "file", "x");
  CHECK_FALSE(MemoryStore::open(clock, {.state_dir = folder.path() / "file", .on_problem = {}}).has_value());
  const ::test::FullDisk full(3);
  CHECK_FALSE(MemoryStore::open(clock, {.state_dir = folder.path() / "new", .on_problem = {}}).has_value());
}

TEST_CASE("on a full disk no change takes effect that a crash would undo") {
  World world;
  world.block("b1");
  send(*world.store, user("alice"), 1);
  {
    const ::test::FullDisk full(std::filesystem::file_size(world.folder.path() / "journal"));
    const auto replaced = world.store->replace(Table::blocked, alice_text, "id=b1", std::nullopt);
    REQUIRE_FALSE(replaced.has_value());
    CHECK(replaced.error().kind == StoreErrorKind::refused);
    CHECK_FALSE(world.store->release(user("alice"), "b1").has_value());
    CHECK_FALSE(world.store->refill(user("alice")).has_value());
    CHECK_FALSE(world.store->mark_blocked(user("bob"), {"b2", {}, {}, {}}).has_value());
    send(*world.store, user("alice"), 1);  // mail goes on
  }
  {
    const ::test::FullDisk full(10);
    CHECK_FALSE(world.store->save().has_value());
  }
  CHECK(answered(world.store->tables()).blocked.size() == 1);
  CHECK(answered(world.store->record(user("alice"))).block == "b1");
  CHECK(used(answered(world.store->record(user("alice")))) == 2);
  CHECK(answered(world.store->record(user("bob"))).is_empty());
  CHECK(answered(world.crash().store->tables()).blocked.size() == 1);
  world.release("b1");
  CHECK(world.crash().record(user("alice")).is_empty());
}

TEST_CASE("the journal is rewritten when it has grown, and loses nothing by it") {
  World world;
  const std::string long_reason(50'000, 'x');
  std::optional<std::string> before;
  std::uintmax_t largest = 0;
  send(*world.store, user("alice"), 10);
  world.block("b1");
  REQUIRE(world.store->save().has_value());
  world.release("b1");
  for (int i = 0; i < 100; ++i) {
    const auto after = std::to_string(i) + long_reason;
    REQUIRE(answered(world.store->replace(Table::blocked, "user:bob@example.com", before, after)));
    before = after;
    largest = std::max(largest, std::filesystem::file_size(world.folder.path() / "journal"));
  }
  CHECK(largest < 2'000'000);
  const auto crash = world.crash();
  CHECK(answered(crash.store->tables()).blocked == TableText{{"user:bob@example.com", *before}});
  CHECK(crash.record(user("alice")).is_empty());  // no snapshot holds the release yet
}

TEST_CASE("snapshots are written in the background while messages are judged") {
  const TemporaryFolder folder;
  const ManualClock clock(start);
  const auto store = MemoryStore::open(clock, {.shards = 4, .state_dir = folder.path(), .save_every = 1ms, .on_problem = {}});
  REQUIRE(store.has_value());
  const auto deadline = std::chrono::steady_clock::now() + 30s;
  std::int64_t sent = 0;
  while (!std::filesystem::exists(folder.path() / "snapshot") && std::chrono::steady_clock::now() < deadline) {
    const std::vector charges{charge(user("user" + std::to_string(sent++ % 1000)), messages(1000, 100h, 1000), 1)};
    REQUIRE(answered((*store)->take(charges)).enforced_taken);
  }
  CHECK(find_snapshot(folder.path() / "snapshot").state == SnapshotState::whole);
}

TEST_CASE("which scripts are known outlives the daemon") {
  World world;
  const Identity uid{Kind::uid, "mx1/1000"};
  using What = ScriptNews::What;
  const auto seen = [&](const std::string& script) { return answered(world.store->learn({uid, "mx1/1000:" + script, 10, script})); };
  CHECK(seen("a.php").what == What::learnt);
  world.clock.advance(24h * 10);
  CHECK(seen("b\tc.php").what == What::is_new);
  world.restart();
  for (const auto* const script : {"a.php", "b\tc.php"}) CHECK(seen(script).what == What::known);
  const auto news = seen("d.php");
  CHECK(news.what == What::is_new);
  CHECK(news.others == 2);
  CHECK(news.uid_since == start);
}

}  // namespace quota::test
