// Keepers of 20 daemons on one store: what one of them does, and tells, for all.
#include "tests/quota/store/keeper_rig.hpp"

#include <doctest/doctest.h>

#include <algorithm>

#include "quota/time_text.hpp"

namespace quota {

using namespace keeper_rig;

namespace {

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

}  // namespace quota
