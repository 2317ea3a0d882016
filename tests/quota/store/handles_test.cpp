#include "quota/store/handles.hpp"

#include <doctest/doctest.h>

#include "quota/store/keeper.hpp"
#include "quota/store/random_id.hpp"
#include "tests/support/scripted_ledger.hpp"

namespace quota {
namespace {

using namespace std::chrono_literals;

const Identity alice{Kind::user, "alice@example.com"};
const OverrideKey mailbox{alice, "mailbox"};

struct Cluster {
  explicit Cluster(int daemons = 5) : handles(door, "mx1", random_id) {
    for (int i = 0; i < daemons; ++i) {
      doors.push_back(std::make_unique<ScriptedLedger>(shared));
      keepers.push_back(std::make_unique<Keeper>(
          *doors.back(), KeeperOptions{.host = "mx" + std::to_string(i), .means = {random_id, [](const std::string&) { return 1h; }}}));
    }
    for (const auto& keeper : keepers) REQUIRE(keeper->first_read(5s));
  }
  /// All keepers have read at least twice since.
  void settle() {
    for (int round = 0; round < 2; ++round) REQUIRE(all_read(doors));
  }
  [[nodiscard]] std::optional<Event> event(const std::string& what) {
    const std::lock_guard lock(shared.mutex);
    for (const auto& one : shared.events)
      if (one.what == what) return one;
    return std::nullopt;
  }

  SharedLedger shared;
  ScriptedLedger door{shared};
  Handles handles;
  std::vector<std::unique_ptr<ScriptedLedger>> doors;
  std::vector<std::unique_ptr<Keeper>> keepers;
};

}  // namespace

TEST_CASE("a block by command holds everywhere, and its release is logged once with who and why") {
  Cluster cluster;
  const auto block = cluster.handles.block(alice, 1h, {"root", "ticket 1\nforged=line"});
  REQUIRE(block.has_value());
  CHECK(block->until == *block->since + 1h);
  CHECK(block->reason == "ticket 1 forged=line");
  CHECK(cluster.shared.record(alice).block == block->id);
  for (const auto& keeper : cluster.keepers)
    CHECK(eventually([&] { return keeper->tables()->blocked().contains(alice.text()); }, 1s));
  cluster.settle();
  CHECK(cluster.shared.count_events("blocked") == 1);

  const auto released = cluster.handles.release(alice, {"root", "user has a new password"});
  REQUIRE(released.has_value());
  REQUIRE(released->has_value());
  CHECK((*released)->id == block->id);
  cluster.settle();
  CHECK(cluster.shared.record(alice).is_empty());
  CHECK(cluster.shared.refills == 1);
  REQUIRE(cluster.shared.count_events("released") == 1);
  CHECK(cluster.event("released")->by == "root");
  CHECK(cluster.event("released")->text == "user has a new password");
}

TEST_CASE("a release where there is no block refills") {
  Cluster cluster(1);
  Record record;
  record.refusals["mailbox"] = Refusals{12, Timestamp{}};
  cluster.shared.set_record(alice, record);
  const auto released = cluster.handles.release(alice, {"root"});
  REQUIRE(released.has_value());
  CHECK_FALSE(released->has_value());
  CHECK(cluster.shared.record(alice).is_empty());
  CHECK(cluster.shared.count_events("refilled") == 1);
}

TEST_CASE("a second block by command is the same block with other facts") {
  Cluster cluster(1);
  const auto first = cluster.handles.block(alice, 1h, {"root", "one"});
  const auto second = cluster.handles.block(alice, std::nullopt, {"root", "two"});
  REQUIRE(first.has_value());
  REQUIRE(second.has_value());
  CHECK(second->id == first->id);
  CHECK_FALSE(second->until);
  cluster.settle();
  CHECK(cluster.shared.count_events("released") == 0);
}

TEST_CASE("a reason stays a reason, whatever it looks like") {
  for (const std::string reason : {"until=2026-12-01T00:00:00Z", "action=tempfail x", "ticket=4711", "ERROR: x", "reason=y", "a  b"}) {
    CAPTURE(reason);
    SharedLedger shared;
    ScriptedLedger door(shared);
    Handles handles(door, "mx1", random_id);
    const auto block = handles.block(alice, std::nullopt, {"uid 0 (root)", reason});
    REQUIRE(block.has_value());
    const auto read = parse_block(shared.text(Table::blocked, alice.text()));
    REQUIRE(read.has_value());
    CHECK(*read == *block);
    CHECK(read->reason == reason);
  }
}

TEST_CASE("a live limit by command is complete and logged once, when it comes and when it goes") {
  Cluster cluster;
  const auto set = cluster.handles.set_limit(mailbox, *parse_allowance("5000 messages / 1d"), 24h, "root");
  REQUIRE(set.has_value());
  CHECK(parse_override(mailbox, cluster.shared.text(Table::override_, mailbox.text())).has_value());
  cluster.settle();
  CHECK(cluster.shared.count_events("limit") == 1);
  CHECK(cluster.event("limit")->by == "root");

  const auto removed = cluster.handles.remove_limit(mailbox, "root");
  REQUIRE(removed.has_value());
  CHECK(removed->has_value());
  cluster.settle();
  CHECK(cluster.shared.count_events("limit") == 2);
  CHECK_FALSE(cluster.handles.remove_limit(mailbox, "root")->has_value());
}

TEST_CASE("the mode is switched for all, and back") {
  Cluster cluster;
  REQUIRE(cluster.handles.set_mode(Mode::observe, std::nullopt, "root").has_value());
  for (const auto& keeper : cluster.keepers)
    CHECK(eventually([&] { return keeper->tables()->mode(cluster.shared.now()) == Mode::observe; }, 1s));
  REQUIRE(cluster.handles.clear_mode("root").has_value());
  for (const auto& keeper : cluster.keepers)
    CHECK(eventually([&] { return !keeper->tables()->mode(cluster.shared.now()); }, 1s));
  cluster.settle();
  CHECK(cluster.shared.count_events("mode") == 2);
}

TEST_CASE("the mode and everybody's limit share an entry, and neither ends the other unnoticed") {
  using Why = HandleError::Kind;
  const OverrideKey all;
  const auto unlimited = *parse_allowance("unlimited");
  Cluster cluster(1);
  auto& handles = cluster.handles;
  const auto text = [&] { return cluster.shared.text(Table::override_, "* *"); };

  REQUIRE(handles.set_mode(Mode::observe, std::nullopt, "root").has_value());
  const auto observing = text();
  CHECK(handles.set_limit(all, unlimited, 1h, "root").error().kind == Why::holds_mode);
  CHECK(handles.remove_limit(all, "root").error().kind == Why::holds_mode);
  CHECK(handles.remove_limit(all, "root").error().text == "the entry '* *' holds the mode: " + observing);
  CHECK(text() == observing);
  CHECK(handles.set_mode(Mode::enforce, std::nullopt, "root").has_value());  // its own kind it replaces
  CHECK(handles.set_limit({std::nullopt, "mailbox"}, unlimited, 1h, "root").has_value());  // another entry
  REQUIRE(handles.clear_mode("root")->has_value());

  REQUIRE(handles.set_limit(all, unlimited, std::nullopt, "root").has_value());
  const auto limit = text();
  CHECK(handles.set_mode(Mode::observe, 1h, "root").error().kind == Why::holds_limit);
  CHECK(handles.clear_mode("root").error().kind == Why::holds_limit);
  CHECK(text() == limit);
  CHECK(handles.remove_limit(all, "root")->has_value());
  CHECK(handles.set_mode(Mode::observe, 1h, "root").has_value());
}

TEST_CASE("an entry for everybody that has ended, or that nobody understands, is in nobody's way") {
  const OverrideKey all;
  for (const std::string text : {"observe until=2026-01-01T00:00:00Z", "unlimited until=2026-01-01T00:00:00Z", "ERROR: x (y)"}) {
    CAPTURE(text);
    SharedLedger shared;
    ScriptedLedger door(shared);
    Handles handles(door, "mx1", random_id);
    for (int round = 0; round < 2; ++round) {
      shared.put(Table::override_, "* *", text);
      CHECK((round == 0 ? handles.remove_limit(all, "root") : handles.clear_mode("root")).has_value());
      shared.put(Table::override_, "* *", text);
      CHECK((round == 0 ? handles.set_limit(all, *parse_allowance("none"), 1h, "root")
                        : handles.set_mode(Mode::enforce, 1h, "root"))
                .has_value());
    }
  }
}

TEST_CASE("the event of an order that the store did not take is told later, with who gave it") {
  SharedLedger shared;
  ScriptedLedger door(shared);
  std::vector<Event> later;
  Handles handles(door, "mx1", random_id, [&](Event event) { later.push_back(std::move(event)); });
  door.fail({.appends = 1});
  REQUIRE(handles.block(alice, 1h, {"root", "stolen"}).has_value());
  REQUIRE(later.size() == 1);
  CHECK(later[0].what == "blocked");
  CHECK(later[0].by == "root");
  CHECK(later[0].host == "mx1");
  door.fail({.appends = 1, .executed = Executed::possibly});
  REQUIRE(handles.release(alice, {"root", "a mistake"}).has_value());
  CHECK(later.size() == 1);  // it may have been written
}

TEST_CASE("a command says that the store has no answer") {
  Cluster cluster(1);
  cluster.door.fail({.entries = 1});
  CHECK(cluster.handles.release(alice, {"root"}).error().kind == HandleError::Kind::store);
  cluster.door.fail({.replaces = 1});
  CHECK(cluster.handles.block(alice, 1h, {"root"}).error().kind == HandleError::Kind::store);
}

}  // namespace quota
