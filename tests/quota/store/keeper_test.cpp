#include "quota/store/keeper.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>

#include "quota/store/random_id.hpp"
#include "quota/time_text.hpp"
#include "tests/support/full_disk.hpp"
#include "tests/support/scripted_ledger.hpp"
#include "tests/support/temporary_folder.hpp"

namespace quota {
namespace {

using namespace std::chrono_literals;

const std::string alice = "user:alice@example.com";
const Identity alice_identity{Kind::user, "alice@example.com"};

KeeperOptions options(std::string host = "mx1") {
  return {.host = std::move(host), .means = {random_id, [](const std::string&) { return Milliseconds{168h}; }}};
}

/// A cluster of daemons on one store, each with its own door.
struct Fleet {
  explicit Fleet(SharedLedger& shared, int daemons) {
    for (int i = 0; i < daemons; ++i) {
      doors.push_back(std::make_unique<ScriptedLedger>(shared));
      keepers.push_back(std::make_unique<Keeper>(*doors.back(), options("mx" + std::to_string(i))));
    }
    for (const auto& keeper : keepers) REQUIRE(keeper->first_read(5s));
  }
  [[nodiscard]] bool all_block(const std::string& identity) const {
    return std::all_of(keepers.begin(), keepers.end(),
                       [&](const auto& keeper) { return keeper->tables()->blocked().contains(identity); });
  }
  [[nodiscard]] bool none_blocks(const std::string& identity) const {
    return std::none_of(keepers.begin(), keepers.end(),
                        [&](const auto& keeper) { return keeper->tables()->blocked().contains(identity); });
  }
  /// Every daemon has read what stands there now, and done what follows.
  void settle() {
    for (int round = 0; round < 2; ++round) REQUIRE(all_read(doors));
  }

  std::vector<std::unique_ptr<ScriptedLedger>> doors;
  std::vector<std::unique_ptr<Keeper>> keepers;
};

Record used_record() {
  Record record;
  record.buckets["mailbox messages/15m"] = Bucket{250, 0, 250, 250, Timestamp{}};
  record.refusals["mailbox"] = Refusals{12, Timestamp{}};
  return record;
}

}  // namespace

TEST_CASE("of 20 daemons that see one release, one refills the buckets and logs it") {
  SharedLedger shared;
  Fleet fleet(shared, 20);
  shared.set_record(alice_identity, used_record());
  shared.put(Table::blocked, alice, "password stolen, ticket 4711");
  REQUIRE(eventually([&] { return fleet.all_block(alice) && shared.count_events("blocked") == 1; }, 1s));
  fleet.settle();
  CHECK(shared.count_events("blocked") == 1);
  const auto block = parse_block(shared.text(Table::blocked, alice));
  REQUIRE(block.has_value());
  CHECK(shared.record(alice_identity).block == block->id);
  CHECK(block->reason == "password stolen, ticket 4711");

  shared.remove(Table::blocked, alice);
  CHECK(eventually([&] { return fleet.none_blocks(alice) && shared.record(alice_identity).is_empty(); }, 1s));
  fleet.settle();
  CHECK(shared.refills == 1);
  CHECK(shared.count_events("released") == 1);
  CHECK(shared.count_events("blocked") == 1);
  CHECK(shared.count_events("lost") == 0);
}

TEST_CASE("a block that is released before it was completed still refills once") {
  SharedLedger shared;
  Fleet fleet(shared, 20);
  for (int i = 0; i < 5; ++i) {
    const Identity identity{Kind::user, "u" + std::to_string(i) + "@example.com"};
    shared.set_record(identity, used_record());
    shared.put(Table::blocked, identity.text(), "oops");
    REQUIRE(eventually([&] { return !fleet.none_blocks(identity.text()); }, 1s));
    shared.remove(Table::blocked, identity.text());
    CHECK(eventually([&] { return shared.record(identity).is_empty(); }, 2s));
  }
  fleet.settle();
  CHECK(shared.count_events("released") == 5);
}

TEST_CASE("a typing error is answered in the table within a second, once, and such a block blocks until released") {
  SharedLedger shared;
  Fleet fleet(shared, 20);
  shared.put(Table::blocked, alice, "until=tomorow stolen");
  shared.put(Table::override_, alice + " mailbox", "5000 mesages / 1d");
  CHECK(eventually([&] {
    return is_error_text(shared.text(Table::blocked, alice)) && is_error_text(shared.text(Table::override_, alice + " mailbox"));
  }, 1s));
  REQUIRE(eventually([&] { return fleet.all_block(alice); }));
  fleet.settle();
  CHECK(shared.count_events("error") == 2);
  CHECK(fleet.keepers[0]->tables()->overrides().empty());
  CHECK_FALSE(shared.record(alice_identity).block.empty());

  shared.remove(Table::blocked, alice);
  CHECK(eventually([&] { return fleet.none_blocks(alice) && shared.record(alice_identity).is_empty(); }, 1s));
  fleet.settle();
  CHECK(shared.count_events("released") == 1);
}

TEST_CASE("a block that ends by itself is cleaned up once and keeps refusals and ladder") {
  SharedLedger shared;
  Fleet fleet(shared, 20);
  const auto until = shared.now() + 1500ms;
  Record record;
  record.block = "b1";
  record.ladder = Ladder{2, until + 168h};
  record.refusals["forms"] = Refusals{3, shared.now()};
  shared.set_record(alice_identity, record);
  shared.put(Table::blocked, alice,
             "id=b1 since=2026-11-22T11:00:00Z until=" + format_moment(until) + " action=tempfail quota=mailbox step=2 300 refusals");
  REQUIRE(eventually([&] { return fleet.all_block(alice); }, 1s));
  CHECK(eventually([&] { return shared.text(Table::blocked, alice).empty(); }, 5s));
  fleet.settle();
  CHECK(shared.count_events("ended") == 1);
  CHECK(shared.count_events("released") == 0);
  CHECK(shared.refills == 0);
  CHECK(shared.record(alice_identity).ladder == record.ladder);
  CHECK(shared.record(alice_identity).refusals == record.refusals);
}

TEST_CASE("blocks are put back after their data was lost, and that is told once") {
  SharedLedger shared;
  Fleet fleet(shared, 20);
  const std::string stolen = "id=b1 since=2026-11-22T11:00:00Z action=reject stolen";
  for (const bool is_new_server : {false, true}) {
    CAPTURE(is_new_server);
    shared.put(Table::blocked, alice, stolen);
    REQUIRE(eventually([&] { return fleet.all_block(alice) && shared.record(alice_identity).block == "b1"; }));
    fleet.settle();
    shared.lose_everything(is_new_server ? "run-2" : "run-1");
    CHECK(eventually([&] { return shared.text(Table::blocked, alice) == stolen; }, 1s));
    fleet.settle();
    CHECK(shared.record(alice_identity).block == "b1");
    CHECK(fleet.all_block(alice));
  }
  CHECK(shared.count_events("lost") == 2);
  CHECK(shared.count_events("released") == 0);

  // Now they are seen again, and the same HDEL is a release.
  shared.remove(Table::blocked, alice);
  CHECK(eventually([&] { return fleet.none_blocks(alice) && shared.count_events("released") == 1; }, 1s));
}

TEST_CASE("other spellings are renamed once") {
  SharedLedger shared;
  Fleet fleet(shared, 20);
  shared.put(Table::blocked, "ALICE@Example.com", "stolen");
  shared.put(Table::override_, "Bob@example.com *", "unlimited");
  CHECK(eventually([&] { return shared.text(Table::blocked, "ALICE@Example.com").empty() && fleet.all_block(alice); }, 1s));
  CHECK(eventually([&] { return !shared.text(Table::override_, "user:bob@example.com *").empty(); }, 1s));
  fleet.settle();
  CHECK(shared.text(Table::override_, "Bob@example.com *").empty());
  CHECK(shared.count_events("blocked") == 1);
  CHECK(shared.count_events("limit") == 1);
  CHECK(shared.count_events("error") == 0);
}

TEST_CASE("the switch for all is told when it comes and when it goes") {
  SharedLedger shared;
  Fleet fleet(shared, 20);
  shared.put(Table::override_, "* *", "observe");
  const auto mode = [&](const auto& keeper) { return keeper->tables()->mode(shared.now()); };
  const auto all = [&](std::optional<Mode> want) {
    return std::all_of(fleet.keepers.begin(), fleet.keepers.end(), [&](const auto& keeper) { return mode(keeper) == want; });
  };
  CHECK(eventually([&] { return all(Mode::observe); }, 1s));
  fleet.settle();
  CHECK(shared.count_events("mode") == 1);
  shared.remove(Table::override_, "* *");
  CHECK(eventually([&] { return all(std::nullopt); }, 1s));
  fleet.settle();
  CHECK(shared.count_events("mode") == 2);
}

TEST_CASE("a daemon that died between the table and the record is made good by the next one that starts") {
  SharedLedger shared;
  const auto until = shared.now() + 1h;
  shared.put(Table::blocked, alice,
             "id=b1 since=2026-11-22T11:00:00Z until=" + format_moment(until) + " action=tempfail quota=mailbox step=2 300 refusals");
  shared.set_record(alice_identity, used_record());
  ScriptedLedger door(shared);
  Keeper keeper(door, options());
  CHECK(eventually([&] { return shared.record(alice_identity).block == "b1"; }));
  const auto healed = shared.record(alice_identity);
  const auto rounded = *parse_moment(format_moment(until));
  CHECK(healed.ladder == Ladder{2, rounded + 168h});
  CHECK_FALSE(healed.refusals.contains("mailbox"));
}

namespace {

const std::string on_mailbox = alice + " mailbox";
std::string block_until(Timestamp until) {
  return "id=b1 since=2026-11-22T11:00:00Z until=" + format_moment(until) + " action=tempfail quota=mailbox step=2 300 refusals";
}
std::string limit_until(Timestamp until) { return "unlimited since=2026-11-22T11:00:00Z until=" + format_moment(until); }

/// Some daemons on one store whose clock jumps.
struct Jumping {
  Jumping(Milliseconds lasting, Milliseconds believed_after) : until(*parse_moment(format_moment(shared.now() + lasting))) {
    Record record;
    record.block = "b1";
    record.ladder = Ladder{2, until + 168h};
    shared.set_record(alice_identity, record);
    shared.put(Table::blocked, alice, block_until(until));
    shared.put(Table::override_, on_mailbox, limit_until(until));
    for (int i = 0; i < 5; ++i) {
      doors.push_back(std::make_unique<ScriptedLedger>(shared));
      auto with = options("mx" + std::to_string(i));
      with.clock_believed_after = believed_after;
      with.idle_read = Milliseconds{40 * (i + 1)};  // each believes at another moment
      with.report = [this](const KeeperReport& report) {
        jumped += report.what == KeeperReport::What::clock_jumped ? 1 : 0;
        believed += report.what == KeeperReport::What::clock_believed ? 1 : 0;
        came_back += report.what == KeeperReport::What::clock_came_back ? 1 : 0;
      };
      keepers.push_back(std::make_unique<Keeper>(*doors.back(), std::move(with)));
      REQUIRE(keepers.back()->first_read(5s));
    }
    REQUIRE(all_read(doors));
  }
  void jump(Milliseconds to) {
    shared.shift = to;
    for (int round = 0; round < 2; ++round) REQUIRE(all_read(doors));
  }
  [[nodiscard]] bool is_blocked_everywhere() const {
    return std::all_of(keepers.begin(), keepers.end(), [](const auto& one) {
      return one->tables()->find_block(alice_identity, *one->now()) && one->tables()->find_override(alice_identity, "mailbox", *one->now());
    });
  }
  [[nodiscard]] bool is_gone() { return shared.text(Table::blocked, alice).empty() && shared.text(Table::override_, on_mailbox).empty(); }
  [[nodiscard]] bool is_there() { return shared.text(Table::blocked, alice) == block_until(until) && !shared.text(Table::override_, on_mailbox).empty(); }

  SharedLedger shared;
  const Timestamp until;
  std::atomic<int> jumped = 0, believed = 0, came_back = 0;
  std::vector<std::unique_ptr<ScriptedLedger>> doors;
  std::vector<std::unique_ptr<Keeper>> keepers;
};

}  // namespace

TEST_CASE("a clock that jumps an hour ahead ends no block and no live limit, and takes none away; back again they end at their time") {
  Jumping world(4s, 1h);
  for (const auto to : {1h, 0h, 1h, 2h}) {
    world.jump(to);
    CHECK(world.is_blocked_everywhere());
    CHECK(world.is_there());
  }
  CHECK(world.jumped == 10);
  CHECK(world.came_back == 5);
  SUBCASE("back") { world.jump(0h); }
  SUBCASE("still there") {}
  const auto proper = std::chrono::system_clock::time_point(world.until.time_since_epoch());
  std::this_thread::sleep_until(proper - 100ms);
  const bool was_there = world.is_there();
  if (std::chrono::system_clock::now() < proper) CHECK(was_there);  // a busy machine may wake us too late
  CHECK(eventually([&] { return world.is_gone(); }, 3s));
  CHECK(std::chrono::system_clock::now() >= proper);
  CHECK(eventually([&] { return world.shared.count_events("ended") == 2; }));
  REQUIRE(all_read(world.doors));
  CHECK(world.shared.count_events("released") == 0);
  CHECK(world.believed == 0);
}

TEST_CASE("a clock that stays where it jumped to is believed in the end, by each daemon in its time, and none takes that for a release") {
  Jumping world(30min, 1s);
  const auto ladder = world.shared.record(alice_identity).ladder;
  world.jump(1h);
  CHECK(world.is_blocked_everywhere());
  CHECK(world.is_there());
  CHECK(eventually([&] { return world.is_gone() && world.believed == 5; }, 5s));
  CHECK(eventually([&] { return world.shared.count_events("ended") == 2; }));
  REQUIRE(all_read(world.doors));
  CHECK(world.shared.count_events("released") == 0);
  CHECK(world.shared.count_events("limit") == 0);
  CHECK(world.shared.record(alice_identity).ladder == ladder);
  CHECK(world.jumped == 5);
}

TEST_CASE("a daemon that starts after a jump has nothing to compare the clock with, and believes it") {
  SharedLedger shared;
  shared.put(Table::blocked, alice, block_until(shared.now() + 30min));
  shared.shift = 1h;
  ScriptedLedger door(shared);
  Keeper keeper(door, options());
  CHECK(eventually([&] { return shared.text(Table::blocked, alice).empty(); }));
}

TEST_CASE("all data lost while the clock is ahead: a block that is not over by the time that passed is put back") {
  Jumping world(30min, 1h);
  world.jump(1h);
  world.shared.lose_everything("run-2");
  CHECK(eventually([&] { return world.shared.text(Table::blocked, alice) == block_until(world.until); }));
  CHECK(world.shared.count_events("released") == 0);
}

TEST_CASE("while the store has no answer the copy stays, that is told once, and its recovery too") {
  SharedLedger shared;
  shared.put(Table::blocked, alice, "id=b1 since=2026-11-22T11:00:00Z action=reject stolen");
  ScriptedLedger door(shared);
  std::atomic<int> lost = 0, back = 0;
  auto with_report = options();
  with_report.report = [&](const KeeperReport& report) {
    if (report.what == KeeperReport::What::tables_unreadable) ++lost;
    if (report.what == KeeperReport::What::tables_readable) ++back;
  };
  Keeper keeper(door, with_report);
  REQUIRE(keeper.first_read(5s));
  REQUIRE(eventually([&] { return shared.record(alice_identity).block == "b1"; }));
  door.fail({.tables = 3});
  keeper.wake();
  REQUIRE(eventually([&] { return lost == 1; }));
  CHECK(keeper.tables()->blocked().contains(alice));
  CHECK(eventually([&] { return back == 1; }));
  CHECK(lost == 1);
  CHECK(keeper.tables()->blocked().contains(alice));
}

TEST_CASE("a start without a store does not wait longer than asked, and recovers") {
  SharedLedger shared;
  ScriptedLedger door(shared);
  door.fail({.tables = 4});
  Keeper keeper(door, options());
  CHECK_FALSE(keeper.first_read(50ms));
  CHECK_FALSE(keeper.now());
  CHECK(keeper.tables()->blocked().empty());
  CHECK(keeper.first_read(10s));
}

TEST_CASE("an event that cannot be written is written later, and steps that fail are done later") {
  SharedLedger shared;
  ScriptedLedger door(shared);
  Keeper keeper(door, options());
  REQUIRE(keeper.first_read(5s));
  REQUIRE(eventually([&] { return !shared.text(Table::blocked, "epoch").empty(); }));
  door.fail({.replaces = 2, .appends = 2});
  shared.put(Table::blocked, alice, "stolen");
  CHECK(eventually([&] { return shared.count_events("blocked") == 1; }, 10s));
  CHECK(parse_block(shared.text(Table::blocked, alice))->id == shared.record(alice_identity).block);
}

TEST_CASE("a change that was carried out without an answer is followed up, not done twice") {
  SharedLedger shared;
  ScriptedLedger door(shared);
  Keeper keeper(door, options());
  REQUIRE(keeper.first_read(5s));
  REQUIRE(eventually([&] { return !shared.text(Table::blocked, "epoch").empty(); }));
  door.fail({.replaces = 1, .executed = Executed::possibly, .kind = StoreErrorKind::timed_out});
  shared.put(Table::blocked, alice, "stolen");
  CHECK(eventually([&] { return shared.count_events("blocked") == 1; }));
  CHECK(parse_block(shared.text(Table::blocked, alice))->id == shared.record(alice_identity).block);
}

TEST_CASE("a storm of changes is read at a bounded pace, and the last one is obeyed within a second") {
  SharedLedger shared;
  ScriptedLedger door(shared);
  Keeper keeper(door, options());
  REQUIRE(keeper.first_read(5s));
  const auto before = door.readings();
  const auto began = std::chrono::steady_clock::now();
  int written = 0;
  while (std::chrono::steady_clock::now() - began < 500ms)
    shared.put(Table::account, "user:u" + std::to_string(written++ % 100) + "@example.com", "acme");
  shared.put(Table::account, alice, "last");
  CHECK(eventually([&] { return keeper.tables()->accounts.find(alice_identity) != nullptr; }, 1s));
  const auto took = std::chrono::steady_clock::now() - began;
  CHECK(door.readings() - before <= static_cast<std::size_t>(took / 50ms) + 2);
}

namespace {

/// A daemon with a state_dir, run after run.
struct Node {
  SharedLedger& shared;
  test::TemporaryFolder folder{};
  std::atomic<int> not_kept = 0, kept_again = 0, damaged = 0;

  [[nodiscard]] std::filesystem::path file() const { return folder.path() / "known-blocks"; }
  [[nodiscard]] KeeperOptions restart_options() {
    auto with_file = options();
    with_file.known_blocks = file();
    with_file.report = [this](const KeeperReport& report) {
      if (report.what == KeeperReport::What::blocks_not_kept) ++not_kept;
      if (report.what == KeeperReport::What::blocks_kept) ++kept_again;
      if (report.what == KeeperReport::What::blocks_file_damaged) ++damaged;
    };
    return with_file;
  }
  /// What a daemon that is killed now leaves behind: the file as it is, and nothing else.
  [[nodiscard]] bool has_kept(const std::string& text) const { return test::bytes_of(file()).find(text) != std::string::npos; }
};

}  // namespace

TEST_CASE("a daemon that starts while the store has no answer refuses whom the last one refused") {
  SharedLedger shared;
  Node node{shared};
  {
    ScriptedLedger door(shared);
    Keeper keeper(door, node.restart_options());
    REQUIRE(keeper.first_read(5s));
    shared.put(Table::blocked, alice, "id=b1 since=2026-11-22T11:00:00Z action=reject stolen");
    REQUIRE(eventually([&] { return node.has_kept(alice); }, 1s));
    REQUIRE(eventually([&] { return node.has_kept("seen,marked"); }, 1s));
  }
  ScriptedLedger door(shared);
  door.fail({.tables = 1'000'000});
  Keeper keeper(door, node.restart_options());
  const auto tables = keeper.tables();
  REQUIRE(tables->find_block(alice_identity, shared.now()));
  CHECK(tables->find_block(alice_identity, shared.now())->reason == "stolen");
  CHECK_FALSE(keeper.first_read(50ms));
  CHECK(keeper.tables()->blocked().contains(alice));
}

TEST_CASE("whatever happened to the store while no daemon ran, only an HDEL in the same data is a release, told once") {
  const struct {
    const char* why;
    void (*meanwhile)(SharedLedger&);
    bool is_released;
    std::size_t told;
  } rows[] = {
      {"nothing", [](SharedLedger&) {}, false, 0},
      {"HDEL", [](SharedLedger& shared) { shared.remove(Table::blocked, alice); }, true, 1},
      {"HDEL, and another daemon has emptied the record and told it",
       [](SharedLedger& shared) {
         shared.remove(Table::blocked, alice);
         shared.set_record(alice_identity, {});
       }, true, 0},
      {"FLUSHALL", [](SharedLedger& shared) { shared.lose_everything("run-1"); }, false, 0},
      {"an empty server", [](SharedLedger& shared) { shared.lose_everything("run-2"); }, false, 0},
      {"a failover that has lost it",
       [](SharedLedger& shared) {
         shared.change_history("run-2");
         shared.remove(Table::blocked, alice);
       }, false, 0},
  };
  for (const auto& row : rows) {
    CAPTURE(row.why);
    SharedLedger shared;
    Node node{shared};
    shared.put(Table::blocked, alice, "stolen");
    {
      ScriptedLedger door(shared);
      Keeper keeper(door, node.restart_options());
      REQUIRE(eventually([&] { return node.has_kept("seen,marked"); }));
    }
    row.meanwhile(shared);
    ScriptedLedger door(shared);
    door.fail({.tables = 1'000'000});
    Keeper keeper(door, node.restart_options());
    CHECK(keeper.tables()->blocked().contains(alice));
    door.fail({});
    REQUIRE(keeper.first_read(5s));
    CHECK(keeper.tables()->blocked().contains(alice) == !row.is_released);
    CHECK(eventually([&] { return shared.text(Table::blocked, alice).empty() == row.is_released; }));
    CHECK(eventually([&] { return shared.record(alice_identity).block.empty() == row.is_released; }));
    keeper.stop();
    CHECK(shared.count_events("released") == row.told);
    CHECK(shared.count_events("blocked") == 1);
    CHECK(node.has_kept(alice) == !row.is_released);
  }
}

TEST_CASE("a disk that is full is told once, the daemon goes on, and the file follows when there is room again") {
  SharedLedger shared;
  Node node{shared};
  ScriptedLedger door(shared);
  Keeper keeper(door, node.restart_options());
  REQUIRE(eventually([&] { return node.has_kept("end"); }));
  {
    const test::FullDisk full(100);
    for (int i = 0; i < 3; ++i) {
      const auto identity = "user:u" + std::to_string(i) + "@example.com";
      shared.put(Table::blocked, identity, std::string(200, 'x'));
      REQUIRE(eventually([&] { return keeper.tables()->blocked().contains(identity); }, 1s));
    }
    REQUIRE(eventually([&] { return node.not_kept == 1; }));
  }
  CHECK(eventually([&] { return node.has_kept("user:u2@example.com") && node.kept_again == 1; }));
  CHECK(node.not_kept == 1);
}

TEST_CASE("two daemons do not write one folder: the second says so, and takes over when the first has gone") {
  SharedLedger shared;
  Node node{shared};
  ScriptedLedger one_door(shared), other_door(shared);
  auto one = std::make_unique<Keeper>(one_door, node.restart_options());
  REQUIRE(eventually([&] { return node.has_kept("end"); }));
  Keeper other(other_door, node.restart_options());
  REQUIRE(eventually([&] { return node.not_kept == 1; }));
  one.reset();
  CHECK(eventually([&] { return node.kept_again == 1; }));
}

TEST_CASE("a keeper stops at once, however long it would wait") {
  SharedLedger shared;
  ScriptedLedger door(shared);
  auto patient = options();
  patient.idle_read = 1h;
  Keeper keeper(door, patient);
  REQUIRE(keeper.first_read(5s));
  const auto began = std::chrono::steady_clock::now();
  keeper.stop();
  keeper.stop();
  CHECK(std::chrono::steady_clock::now() - began < 1s);
}

}  // namespace quota
