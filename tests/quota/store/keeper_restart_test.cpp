// A keeper with a state_dir, run after run: what it keeps there, and what that means to the next one.
#include "tests/quota/store/keeper_rig.hpp"

#include <doctest/doctest.h>

#include <atomic>

#include "tests/support/full_disk.hpp"
#include "tests/support/temporary_folder.hpp"

namespace quota {

using namespace keeper_rig;

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

}  // namespace quota
