// A real Redis Cluster: keys on three masters, slots that move, masters that die.
#include <doctest/doctest.h>

#include "tests/quota/store/contract_ledger.hpp"
#include "tests/quota/store/redis_fixture.hpp"
#include "tests/quota/store/topology_rig.hpp"
#include "tests/quota/store/trace.hpp"
#include "tests/support/redis_cluster.hpp"

namespace quota::test {

STORE_CONTRACT(ClusterFixture);

namespace {

using ::test::RedisCluster;

/// A key of the first third of the slots, the second, the third.
std::string key_on(std::size_t master, const std::string& stem = "k") {
  for (int i = 0;; ++i)
    if (auto key = stem + std::to_string(i); RedisCluster::first_holder(slot_of(key)) == master) return key;
}

std::vector<Charge> charges_of(int number) {
  const auto limit = messages(100, 100h, 100);
  return {charge(user("user" + std::to_string(number)), limit, 1), charge({Kind::user_domain, "d" + std::to_string(number) + ".example"}, limit, 1),
          charge({Kind::everyone, "all"}, limit, 1)};
}

}  // namespace

TEST_CASE("a cluster answers any random trace as the plain arithmetic does") {
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    ClusterFixture fixture;
    CHECK(first_difference(fixture, seed, 250) == "");
  }
}

TEST_CASE("keys of several masters are asked in one round trip, each answered for itself") {
  ClusterFixture fixture;
  const auto all = charges_of(1);
  CHECK_FALSE(fixture.spread().is_one_question(all));
  CHECK(fixture.spread().is_one_question(std::span(all).first(1)));
  for (const auto& answer : fixture.spread().look(all)) CHECK(answered(answer).bucket.used == 0);
  for (const auto& answer : fixture.spread().commit(all, {})) CHECK(answered(answer).bucket.used == 0);
  for (const auto& answer : fixture.spread().look(all)) CHECK(answered(answer).bucket.used == 1);
}

TEST_CASE("scripts that were forgotten by every node are told them again, within the question") {
  ClusterFixture fixture;
  const auto all = charges_of(2);
  for (int sent = 1; sent <= 5; ++sent) {
    for (std::size_t i = 0; i < 6; ++i) (void)ClusterFixture::site().servers.node(i).ask("SCRIPT FLUSH");
    for (const auto& answer : fixture.spread().commit(all, {})) CHECK(answered(answer).bucket.used == sent - 1);
  }
}

TEST_CASE("any node of the cluster is enough to begin with") {
  RedisCluster& cluster = ClusterFixture::site().servers;
  for (std::size_t i = 0; i < cluster.size(); ++i) {
    TopologyRig rig("redis+cluster://127.0.0.1:" + std::to_string(cluster.node(i).port()));
    CHECK(rig.is_well);
    for (std::size_t master = 0; master < 3; ++master) CHECK(rig.add(key_on(master, "any" + std::to_string(i)), 1) == 1);
  }
}

TEST_CASE("a slot that moves under questions costs no question its answer, and no answer is given twice") {
  RedisCluster cluster(RedisCluster::Replicas::none, {RedisCluster::steady});
  TopologyRig rig(cluster.url());
  REQUIRE(rig.is_well);
  const auto key = key_on(0);
  const auto slot = slot_of(key);
  Load load(rig, key);
  std::size_t from = 0;
  for (int round = 0; round < 10; ++round) {
    const std::size_t to = (from + 1) % 3;
    const auto goes_on = [&] { return comes_true([&, before = load.answered.load()] { return load.answered > before + 50; }, 5s); };
    cluster.begin_migration(slot, from, to);
    CHECK(goes_on());
    cluster.migrate_keys(slot, from, to);
    CHECK(goes_on());
    cluster.end_migration(slot, from, to);
    CHECK(goes_on());
    from = to;
  }
  load.end();
  MESSAGE("answered " << load.answered.load() << ", longest " << load.longest_ms.load() << " ms");
  CHECK(load.refused == 0);
  CHECK(load.possibly == 0);
  CHECK(rig.add(key, 0) == load.answered.load());
  CHECK(rig.reports().empty());
}

TEST_CASE("records of one slot that lie on two servers while it moves are waited for, until the deadline and no longer") {
  RedisCluster cluster(RedisCluster::Replicas::none, {RedisCluster::steady});
  const auto tag = key_on(0);
  const auto first = "{" + tag + "}1", second = "{" + tag + "}2";
  const auto slot = slot_of(tag);
  TopologyRig rig(cluster.url(), 5s);
  REQUIRE(rig.add(first, 1) == 1);
  REQUIRE(rig.add(second, 1) == 1);
  cluster.begin_migration(slot, 0, 1);
  REQUIRE(cluster.node(0).ask("MIGRATE 127.0.0.1 " + std::to_string(cluster.node(1).port()) + " " + first + " 0 1000").starts_with("+OK"));
  static const RedisScript both("return redis.call('INCR', KEYS[1]) + redis.call('INCR', KEYS[2])");
  const std::string_view keys[] = {first, second};
  const auto add_to_both = [&](std::chrono::milliseconds budget) { return rig.topology.eval(both, keys, {}, Clock::now() + budget); };
  const auto begun = Clock::now();
  const auto too_early = add_to_both(100ms);
  REQUIRE(too_early.has_error());
  CHECK(too_early.error().executed == Executed::no);
  CHECK(too_early.error().text.find("TRYAGAIN") != std::string::npos);
  CHECK(milliseconds_since(begun) >= 90);
  WARN(milliseconds_since(begun) <= 150);
  REQUIRE(cluster.node(0).ask("CONFIG RESETSTAT").starts_with("+OK"));
  std::jthread mover([&] {
    CHECK(comes_true([&] { return cluster.node(0).ask("INFO errorstats").find("errorstat_TRYAGAIN") != std::string::npos; }, 4s));
    cluster.migrate_keys(slot, 0, 1);
  });
  const auto waited = add_to_both(5s);
  mover.join();
  REQUIRE_MESSAGE(waited.has_value(), waited.error().text);
  CHECK(waited->integer() == 4);
  cluster.end_migration(slot, 0, 1);
  CHECK(rig.add(first, 0) == 2);
}

TEST_CASE("the masters that live go on while one is dead, and its replica serves within a second of being able to") {
  RedisCluster cluster(RedisCluster::Replicas::one_each, {"cluster-require-full-coverage no"});
  TopologyRig rig(cluster.url());
  REQUIRE(rig.is_well);
  for (std::size_t i = 0; i < 3; ++i) REQUIRE(rig.add(key_on(i), 1) == 1);
  REQUIRE(cluster.node(0).ask("WAIT 1 1000").starts_with(":1"));
  const auto fault = [&](bool hangs) { hangs ? cluster.node(0).stop() : cluster.node(0).kill(); };
  bool hangs = false;
  SUBCASE("killed") {}
  SUBCASE("stopped") { hangs = true; }
  fault(hangs);
  const auto begun = Clock::now();
  int longest = 0, slow = 0, lost_of_others = 0;
  Clock::time_point able{};
  for (;;) {
    const auto at = Clock::now();
    const bool is_served = rig.add(key_on(0), 1) > 0;
    longest = std::max(longest, milliseconds_since(at));
    slow += milliseconds_since(at) > 20 ? 1 : 0;
    for (const std::size_t i : {1U, 2U}) lost_of_others += rig.add(key_on(i), 1) > 0 ? 0 : 1;
    if (able == Clock::time_point{} && cluster.node(3).ask("SET {" + key_on(0) + "}probe 1").starts_with("+OK")) able = Clock::now();
    if (is_served) break;
    REQUIRE(milliseconds_since(begun) < 15'000);
  }
  MESSAGE(std::string(hangs ? "stopped" : "killed") << ": the replica serves after " << milliseconds_since(begun) << " ms, "
                                         << (able == Clock::time_point{} ? 0 : milliseconds_since(able)) << " ms after it could; longest question " << longest
                                         << " ms, " << slow << " slow ones, " << lost_of_others << " of the other masters lost");
  WARN((able == Clock::time_point{} || milliseconds_since(able) < 1000));
  WARN(longest <= 150);
  WARN(slow <= 2);
  CHECK(lost_of_others == 0);
  CHECK(rig.add(key_on(0), 0) >= 1);  // what was not replicated yet may be lost
  CHECK(comes_true([&] { return rig.reports().size() == 2; }));
  const auto name = [&](std::size_t node) { return " 127.0.0.1:" + std::to_string(cluster.node(node).port()); };
  CHECK(rig.news() == std::vector<std::string>{"server_fails" + name(0), "master_changed" + name(0) + name(3)});
  if (hangs) cluster.node(0).cont();
}

TEST_CASE("with a master gone only its own records have no answer") {
  RedisCluster cluster(RedisCluster::Replicas::none, {"cluster-require-full-coverage no"});
  Resolver resolver;
  RedisTopology topology(*RedisAddress::parse(cluster.url()), resolver, {.timeout = 100ms});
  REQUIRE(topology.wait_for_first_look(Clock::now() + 5s));
  RedisContext context(topology, {"sendquota", 100ms});
  RedisStore store(context);
  std::vector<Charge> all;
  const auto limit = messages(100, 100h, 100);
  for (int i = 0; i < 30; ++i) all.push_back(charge(user("user" + std::to_string(i)), limit, 1));
  for (const auto& answer : store.commit(all, {})) REQUIRE(answer.has_value());
  const auto is_on = [&](const Charge& one, std::size_t master) { return RedisCluster::first_holder(slot_of(context.record_key(one.identity))) == master; };
  cluster.node(1).stop();
  for (int round = 0; round < 3; ++round) {
    const auto begun = Clock::now();
    const auto answers = store.look(all);
    WARN(milliseconds_since(begun) <= (round == 0 ? 150 : 30));
    for (std::size_t i = 0; i < all.size(); ++i) {
      CAPTURE(i);
      CHECK(answers[i].has_value() != is_on(all[i], 1));
    }
  }
  cluster.node(1).cont();
  CHECK(comes_true([&] { return store.look(all)[0].has_value() && !topology.failure(); }, 5s));
}

TEST_CASE("each master that dies is named once, and once when it is back") {
  RedisCluster cluster(RedisCluster::Replicas::none, {"cluster-require-full-coverage no"});
  TopologyRig rig(cluster.url());
  REQUIRE(rig.is_well);
  const auto name = [&](std::size_t node) { return " 127.0.0.1:" + std::to_string(cluster.node(node).port()); };
  std::vector<std::string> want;
  const auto is_told = [&](const std::string& what, std::size_t node) {
    want.push_back(what + name(node));
    // Somebody must ask for something that the server has, or nobody knows.
    return comes_true([&] { return (void)rig.add(key_on(node), 1), rig.news() == want; }, 10s);
  };
  cluster.node(0).kill();
  CHECK(is_told("server_fails", 0));
  cluster.node(1).kill();
  CHECK(is_told("server_fails", 1));
  cluster.node(0).restart();
  CHECK(is_told("server_works", 0));
  cluster.node(1).restart();
  CHECK(is_told("server_works", 1));
  std::this_thread::sleep_for(500ms);
  CHECK(rig.news() == want);
  CHECK(rig.reports().size() == 2);
}

TEST_CASE("a cluster whose servers may no longer be asked for is told, and served") {
  RedisCluster cluster(RedisCluster::Replicas::none, {RedisCluster::steady});
  TopologyRig rig(cluster.url());
  REQUIRE(rig.is_well);
  for (std::size_t i = 0; i < 3; ++i) REQUIRE(cluster.node(i).ask("ACL SETUSER default -cluster|slots").starts_with("+OK"));
  CHECK(comes_true([&] { return rig.topology.look_soon(), !rig.news().empty(); }, 5s));
  CHECK(rig.news() == std::vector<std::string>{"discovery_fails"});
  CHECK(rig.add(key_on(0), 1) == 1);
  for (std::size_t i = 0; i < 3; ++i) REQUIRE(cluster.node(i).ask("ACL SETUSER default +@all").starts_with("+OK"));
  REQUIRE(comes_true([&] { return rig.topology.look_soon(), rig.news().size() == 2; }, 5s));
  CHECK(rig.news().back() == "discovery_works");
}

TEST_CASE("a cluster that is down says so, and is used again when it is up") {
  RedisCluster cluster(RedisCluster::Replicas::none);
  TopologyRig rig(cluster.url());
  REQUIRE(rig.is_well);
  cluster.node(2).kill();
  REQUIRE(comes_true([&] { return cluster.node(0).ask("CLUSTER INFO").find("cluster_state:fail") != std::string::npos; }, 10s));
  CHECK(comes_true([&] { return rig.ask({"INCR", key_on(0)}).has_error(); }, 5s));
  const auto down = rig.ask({"INCR", key_on(0)});
  REQUIRE(down.has_error());
  CHECK(down.error().executed == Executed::no);
  CHECK(down.error().text.find("CLUSTERDOWN") != std::string::npos);
  cluster.node(2).restart();
  REQUIRE(comes_true([&] { return cluster.node(0).ask("SET {" + key_on(0) + "}probe 1").starts_with("+OK"); }, 20s));
  const auto up = Clock::now();
  CHECK(comes_true([&] { return rig.add(key_on(0), 1) > 0; }, 5s));
  MESSAGE("used " << milliseconds_since(up) << " ms after the cluster was up");
  WARN(milliseconds_since(up) < 1000);
}

TEST_CASE("the tables are followed from server to server, and a change made on the new one is seen") {
  RedisCluster cluster(RedisCluster::Replicas::none, {RedisCluster::steady});
  Resolver resolver;
  RedisTopology topology(*RedisAddress::parse(cluster.url()), resolver, {.timeout = 1s});
  REQUIRE(topology.wait_for_first_look(Clock::now() + 5s));
  RedisContext context(topology, {"sendquota", 1s});
  RedisLedger ledger(context);
  const auto slot = slot_of("sendquota:blocked");
  std::size_t from = RedisCluster::first_holder(slot);
  REQUIRE(answered(ledger.replace(Table::blocked, "user:a@example.com", {}, "one")));
  REQUIRE(answered(ledger.tables()).blocked.size() == 1);
  const auto change_is_seen = [&](std::size_t on, const std::string& field) {
    const auto asking = cluster.node(on).ask("HSET sendquota:blocked " + field + " x");
    const auto begun = Clock::now();
    ledger.wait_for_change(5s);
    WARN(milliseconds_since(begun) < 1000);
    const auto tables = answered(ledger.tables());
    return std::any_of(tables.blocked.begin(), tables.blocked.end(), [&](const auto& entry) { return entry.first == field; });
  };
  CHECK(change_is_seen(from, "user:b@example.com"));
  for (int round = 0; round < 3; ++round) {
    const std::size_t to = (from + 1) % 3;
    cluster.begin_migration(slot, from, to);
    CHECK(answered(ledger.tables()).blocked.size() >= 2);
    cluster.migrate_keys(slot, from, to);
    CHECK(answered(ledger.tables()).blocked.size() >= 2);  // where ASK leads
    cluster.end_migration(slot, from, to);
    CHECK(answered(ledger.tables()).blocked.size() >= 2);
    CHECK(change_is_seen(to, "user:c" + std::to_string(round) + "@example.com"));
    from = to;
  }
}

}  // namespace quota::test
