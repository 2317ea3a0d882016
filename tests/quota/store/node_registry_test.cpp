#include "quota/store/node_registry.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>

#include "quota/time_text.hpp"
#include "tests/support/scripted_ledger.hpp"
#include "tests/support/temporary_folder.hpp"

namespace quota {
namespace {

using namespace std::chrono_literals;

const Timestamp noon = *parse_moment("2026-11-22T12:00:00Z");

/// One daemon of a cluster, with what a test may change of it.
struct Host {
  Host(SharedLedger& shared, const std::string& name, const NodeSetting& begin = {"aaaaaaaaaaaa", {}}, Milliseconds every = 20ms)
      : door(shared), setting(begin), registry(door, options(name, every)) {}

  NodeRegistryOptions options(const std::string& name, Milliseconds every) {
    return {.name = name,
            .host = name,
            .version = "0.1.0",
            .setting = [this] {
              const std::lock_guard lock(mutex);
              return setting;
            },
            .on_count = [this](std::int64_t nodes) {
              count = nodes;
              if (nodes < least) least = nodes;
            },
            .more_alarms = [this]() -> std::vector<NodeAlarm> {
              if (!sees_eviction) return {};
              return {{"redis-evicts:r1", {"redis_evicts", "warning", "", "r1 evicts", "", ""}}};
            },
            .count_file = folder.path() / "nodes",
            .every = every,
            .retry_after = 20ms};
  }
  void configure(const NodeSetting& fresh) {
    {
      const std::lock_guard lock(mutex);
      setting = fresh;
    }
    registry.changed();
  }

  test::TemporaryFolder folder{};
  ScriptedLedger door;
  std::mutex mutex;
  NodeSetting setting;
  std::atomic<std::int64_t> count = 0;
  std::atomic<std::int64_t> least = 1000;
  std::atomic<bool> sees_eviction = false;
  NodeRegistry registry;
};

std::optional<Node> line(SharedLedger& shared, const std::string& name) {
  const std::lock_guard lock(shared.mutex);
  const auto found = shared.nodes.find(name);
  return found == shared.nodes.end() ? std::nullopt : parse_node(name, found->second);
}

void put(SharedLedger& shared, Node node) {
  if (node.seen == Timestamp{}) node.seen = shared.now();
  const std::lock_guard lock(shared.mutex);
  shared.nodes[node.name] = format(node);
}

void empty(SharedLedger& shared) {
  const std::lock_guard lock(shared.mutex);
  shared.nodes.clear();
}

std::size_t lines(SharedLedger& shared) {
  const std::lock_guard lock(shared.mutex);
  return shared.nodes.size();
}

std::string events(SharedLedger& shared) {
  const std::lock_guard lock(shared.mutex);
  std::string all;
  for (const auto& event : shared.events) all += event.what + " by " + event.host + ": " + event.text + "\n";
  return all;
}

}  // namespace

TEST_CASE("each daemon writes itself, counts the others, and takes away those that are gone") {
  SharedLedger shared;
  put(shared, {.name = "old", .config = "aaaaaaaaaaaa", .seen = shared.now() - 25h});
  put(shared, {.name = "down", .config = "aaaaaaaaaaaa", .seen = shared.now() - 23h});
  Host one(shared, "mx1"), two(shared, "mx2");
  CHECK(eventually([&] { return one.count == 3 && two.count == 3; }));
  CHECK(eventually([&] { return !line(shared, "old"); }));
  const auto written = line(shared, "mx1");
  REQUIRE(written);
  CHECK(written->version == "0.1.0");
  CHECK(written->config == "aaaaaaaaaaaa");
  CHECK(written->state == Node::State::normal);
  const auto seen = written->seen;
  CHECK(eventually([&] { return line(shared, "mx1")->seen > seen; }));
  CHECK(one.registry.look().list.alive() == 2);
  CHECK(one.registry.count() == 3);
}

TEST_CASE("while a table that was lost fills again each daemon counts those it had seen, for a day") {
  SharedLedger shared;
  std::vector<std::unique_ptr<Host>> hosts;
  const std::vector<std::string> names{"mx1", "mx2", "mx3", "mx4"};
  for (const auto& name : names) hosts.push_back(std::make_unique<Host>(shared, name, NodeSetting{"aaaaaaaaaaaa", {}}, 1h));
  // One after the other, so that the table is lost between two of them.
  const auto beat = [&] {
    for (std::size_t i = 0; i < hosts.size(); ++i) {
      shared.pass(1s);
      const auto asked = std::chrono::floor<std::chrono::seconds>(shared.now());
      hosts[i]->registry.changed();
      REQUIRE(eventually([&] {
        const auto written = line(shared, names[i]);
        return written && written->seen >= asked;
      }));
    }
  };
  const auto all_count = [&](std::int64_t nodes) {
    return eventually([&] { return std::ranges::all_of(hosts, [&](const auto& host) { return host->count == nodes; }); });
  };
  beat();
  beat();
  REQUIRE(all_count(4));
  for (const auto& host : hosts) host->least = 4;
  empty(shared);
  beat();
  REQUIRE(lines(shared) == 4);
  beat();
  for (const auto& host : hosts) CHECK(host->least == 4);
  // Three that stopped still count for a day, as they did in the table that is lost now.
  hosts.resize(1);
  empty(shared);
  auto& one = *hosts.front();
  beat();
  beat();
  beat();
  CHECK(one.least == 4);
  shared.pass(23h);
  beat();
  beat();
  CHECK(one.least == 4);
  shared.pass(1h + 1min);
  beat();
  CHECK(all_count(1));
}

TEST_CASE("a line that was taken away while the table is whole counts no longer") {
  SharedLedger shared;
  put(shared, {.name = "mx2"});
  Host one(shared, "mx1");
  REQUIRE(eventually([&] { return one.count == 2 && line(shared, "mx1"); }));
  {
    const std::lock_guard lock(shared.mutex);
    shared.nodes.erase("mx2");
  }
  CHECK(eventually([&] { return one.count == 1; }));
}

TEST_CASE("one that stops says so, still counts, and runs no more") {
  SharedLedger shared;
  Host one(shared, "mx1");
  {
    Host two(shared, "mx2");
    REQUIRE(eventually([&] { return one.count == 2; }));
  }
  CHECK(line(shared, "mx2")->state == Node::State::stopped);
  const auto list = one.registry.look().list;
  CHECK(list.alive() == 1);
  CHECK(list.count() == 2);
}

TEST_CASE("the number is known to the next process before the store has answered; a fixed one is taken as it is") {
  SharedLedger shared;
  put(shared, {.name = "mx2"});
  put(shared, {.name = "mx3"});
  const test::TemporaryFolder folder;
  const auto options = [&](std::atomic<std::int64_t>& count, const std::optional<std::int64_t>& fixed) {
    return NodeRegistryOptions{.name = "mx1", .setting = [fixed] { return NodeSetting{"a", fixed}; },
                               .on_count = [&count](std::int64_t nodes) { count = nodes; }, .count_file = folder.path() / "nodes"};
  };
  std::atomic<std::int64_t> first = 0, second = 0, third = 0;
  ScriptedLedger door(shared);
  {
    NodeRegistry registry(door, options(first, {}));
    CHECK(first == 1);
    REQUIRE(eventually([&] { return first == 3; }));
  }
  door.fail({.nodes = 1'000'000});
  {
    const NodeRegistry registry(door, options(second, {}));
    CHECK(second == 3);
  }
  {
    const NodeRegistry registry(door, options(third, 7));
    CHECK(third == 7);
  }
  test::write_bytes(folder.path() / "nodes", "00000000\tsendquota-nodes\t1\t9\n");
  CHECK_FALSE(recall_count(folder.path() / "nodes"));
}

TEST_CASE("what befell the store reaches it later, with the moments at which it began, in order") {
  SharedLedger shared;
  Host one(shared, "mx1", {"a", {}}, 1h);
  REQUIRE(eventually([&] { return line(shared, "mx1").has_value(); }));
  one.door.fail({.appends = 3, .nodes = 1'000'000});
  one.registry.note_health("redis.sock: connection refused", noon);
  one.registry.note_health("redis.sock: timed out", noon + 1s);  // still the same outage
  one.registry.note_health("", noon + 200s);
  one.registry.note_health("", noon + 201s);
  CHECK(eventually([&] { return shared.count_events("recovered") == 1; }));
  CHECK(events(shared) ==
        "degraded by mx1: the store has no answer since 2026-11-22T12:00:00Z: redis.sock: connection refused\n"
        "recovered by mx1: the store answers again since 2026-11-22T12:03:20Z; it had no answer for 200s, since 2026-11-22T12:00:00Z\n");
}

TEST_CASE("the state is in the table, since when as well") {
  SharedLedger shared;
  Host one(shared, "mx1", {"a", {}}, 1h);
  REQUIRE(eventually([&] { return line(shared, "mx1").has_value(); }));
  one.registry.note_health("one of three masters is away", noon);
  REQUIRE(eventually([&] { return line(shared, "mx1")->state == Node::State::degraded; }));
  const auto since = line(shared, "mx1")->since;
  one.registry.changed();
  one.registry.note_health("", noon + 1s);
  CHECK(eventually([&] { return line(shared, "mx1")->state == Node::State::normal; }));
  CHECK(line(shared, "mx1")->since >= since);
}

TEST_CASE("of 20 daemons one tells that configurations differ, and that nodes is too small") {
  SharedLedger shared;
  const auto hour_ago = shared.now() - 1h;
  std::vector<std::unique_ptr<Host>> hosts;
  for (int i = 0; i < 20; ++i) {
    // Before a restart each has had its configuration for an hour; mx7 has another one.
    const std::string name = "mx" + std::to_string(i), config = i == 7 ? "bbbbbbbbbbbb" : "aaaaaaaaaaaa";
    put(shared, {.name = name, .config = config, .config_since = hour_ago, .seen = shared.now() - 1min});
    hosts.push_back(std::make_unique<Host>(shared, name, NodeSetting{config, 3}));
  }
  CHECK(eventually([&] { return shared.count_events("config_differs") >= 1 && shared.count_events("nodes_too_small") >= 1; }));
  std::this_thread::sleep_for(100ms);  // what must not happen has had five heartbeats to happen
  CHECK(shared.count_events("config_differs") == 1);
  CHECK(line(shared, "mx7")->config_since == *parse_moment(format_moment(hour_ago)));
  const auto list = hosts[0]->registry.look().list;
  for (const auto& node : list.nodes) CHECK(list.is_odd(node) == (node.name == "mx7"));
  // Cured by a reload: the new configuration is in the table at once.
  hosts[7]->configure({"aaaaaaaaaaaa", 3});
  CHECK(eventually([&] { return !hosts[0]->registry.look().list.has_odd(); }));
  CHECK(line(shared, "mx7")->config_since > hour_ago);
}

TEST_CASE("what else the administrators should know is told by one daemon of all that see it") {
  SharedLedger shared;
  std::vector<std::unique_ptr<Host>> hosts;
  for (const auto* name : {"mx1", "mx2", "mx3"}) {
    hosts.push_back(std::make_unique<Host>(shared, name));
    hosts.back()->sees_eviction = true;
  }
  CHECK(eventually([&] { return shared.count_events("redis_evicts") == 1; }));
  std::this_thread::sleep_for(100ms);  // what must not happen has had five heartbeats to happen
  CHECK(shared.count_events("redis_evicts") == 1);
}

TEST_CASE("while the store has no answer the last list is shown, and why") {
  SharedLedger shared;
  Host one(shared, "mx1");
  REQUIRE(eventually([&] { return one.registry.last().count() == 1; }));
  one.door.fail({.nodes = 1'000'000});
  const auto look = one.registry.look();
  CHECK(look.list.count() == 1);
  CHECK(look.error == "as ordered");
}

}  // namespace quota
