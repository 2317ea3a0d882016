// Keepers of daemons on a store whose clock jumps: what ends, when, and what is no release.
#include "tests/quota/store/keeper_rig.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>

#include "quota/time_text.hpp"

namespace quota {

using namespace keeper_rig;

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

}  // namespace quota
