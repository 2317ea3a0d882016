// One keeper and the bad days of its store. Several on one store: keeper_fleet_test.cpp.
#include "tests/quota/store/keeper_rig.hpp"

#include <doctest/doctest.h>

#include <atomic>

#include "quota/time_text.hpp"

namespace quota {

using namespace keeper_rig;

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
