// A master that real sentinels know: found, followed through failovers, and not mistaken for the one that it was.
#include <doctest/doctest.h>

#include "tests/quota/store/contract_ledger.hpp"
#include "tests/quota/store/redis_fixture.hpp"
#include "tests/quota/store/topology_rig.hpp"
#include "tests/quota/store/trace.hpp"
#include "tests/support/redis_sentinels.hpp"

namespace quota::test {

STORE_CONTRACT(SentinelFixture);

namespace {

using ::test::RedisSentinels;
using ::test::RedisServer;

/// Waits until a sentinel names another master than `old`, and returns its number.
std::size_t await_new_master(RedisSentinels& sentinels, std::size_t old) {
  std::size_t found = old;
  const auto is_named = [&] {
    for (std::size_t i = 0; i < 3; ++i)
      for (std::size_t sentinel = 0; sentinel < 3; ++sentinel)
        if (i != old && sentinels.names_master(sentinel, i)) found = i;
    return found != old;
  };
  REQUIRE(comes_true(is_named, 15s));
  return found;
}

std::int64_t value_of(RedisServer& server, const std::string& key) {
  const auto reply = server.ask("GET " + key);
  const auto begin = reply.find("\r\n");
  return begin == std::string::npos ? 0 : std::atoll(reply.c_str() + begin + 2);
}

}  // namespace

TEST_CASE("a master behind sentinels answers any random trace as the plain arithmetic does") {
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    SentinelFixture fixture;
    CHECK(first_difference(fixture, seed, 250) == "");
  }
}

TEST_CASE("the master is found through any one sentinel that answers") {
  RedisSentinels sentinels;
  sentinels.sentinel(1).kill();
  sentinels.sentinel(2).stop();
  for (const std::vector<std::size_t>& seeds : {std::vector<std::size_t>{0}, {2, 1, 0}}) {
    TopologyRig rig(sentinels.url("mymaster", seeds));
    CHECK(rig.is_well);
    CHECK(rig.add("n", 1) > 0);
  }
  CHECK(value_of(sentinels.data(0), "n") == 2);
}

TEST_CASE("after the master was killed another one serves within a second of being named") {
  RedisSentinels sentinels;
  TopologyRig rig(sentinels.url());
  Load load(rig, "n");
  REQUIRE(comes_true([&] { return load.answered > 100; }));
  sentinels.data(0).kill();
  const auto killed = Clock::now();
  const auto master = await_new_master(sentinels, 0);
  const auto named = Clock::now();
  const auto before = load.answered.load();
  REQUIRE(comes_true([&] { return load.answered > before; }, 5s));
  const auto serves = milliseconds_since(named);
  std::this_thread::sleep_for(200ms);
  load.end();
  const auto name = [&](std::size_t number) { return " 127.0.0.1:" + std::to_string(sentinels.data(number).port()); };
  CHECK(std::ranges::count(rig.news(), "master_changed" + name(0) + name(master)) == 1);
  MESSAGE("a new master is named after " << milliseconds_since(killed) - milliseconds_since(named) << " ms and used " << serves << " ms later; answered "
                                << load.answered.load() << ", refused at once " << load.refused.load() << ", unknown " << load.possibly.load()
                                << ", longest " << load.longest_ms.load() << " ms");
  CHECK(serves < 1000);
  WARN(load.longest_ms <= 150);
  CHECK(comes_true([&] { return rig.reports().size() >= 2 && rig.reports().back().empty(); }));
  // What was acknowledged and not yet replicated is lost: how much that is nobody can bound. Nothing was added twice.
  const auto value = value_of(sentinels.data(master), "n");
  MESSAGE("acknowledged " << load.answered.load() << ", in the new master " << value);
  CHECK(value <= load.answered + load.possibly);
}

TEST_CASE("a planned failover costs no more than looking for the new master, and nothing is added twice") {
  RedisSentinels sentinels;
  TopologyRig rig(sentinels.url());
  Load load(rig, "n");
  REQUIRE(comes_true([&] { return load.answered > 100; }));
  REQUIRE(sentinels.sentinel(0).ask("SENTINEL FAILOVER mymaster").starts_with("+OK"));
  const auto master = await_new_master(sentinels, 0);
  const auto named = Clock::now();
  const auto lost_from = load.answered.load();
  REQUIRE(comes_true([&] { return sentinels.data(master).ask("INFO commandstats").find("cmdstat_evalsha") != std::string::npos; }, 15s));
  MESSAGE("used " << milliseconds_since(named) << " ms after it was named; meanwhile " << load.answered - lost_from << " charges went to the old one");
  WARN(milliseconds_since(named) < 1000);
  load.end();
  const auto value = value_of(sentinels.data(master), "n");
  MESSAGE("answered " << load.answered.load() << ", refused " << load.refused.load() << ", unknown " << load.possibly.load() << ", in the new master "
                      << value << ", longest " << load.longest_ms.load() << " ms");
  CHECK(value <= load.answered + load.possibly);
  WARN(load.longest_ms <= 150);
}

TEST_CASE("a failover that is given up changes nothing, not even when the chosen replica becomes a master too late") {
  RedisSentinels sentinels;
  TopologyRig rig(sentinels.url());
  Load load(rig, "n");
  REQUIRE(comes_true([&] { return load.answered > 100; }));
  for (const std::size_t replica : {1U, 2U}) sentinels.data(replica).stop();
  REQUIRE(sentinels.sentinel(0).ask("SENTINEL FAILOVER mymaster").starts_with("+OK"));
  const auto says = [&](const char* question, const char* word) { return sentinels.sentinel(0).ask(question).find(word) != std::string::npos; };
  REQUIRE(comes_true([&] { return says("SENTINEL REPLICAS mymaster", "promoted"); }, 5s));
  REQUIRE(comes_true([&] { return !says("SENTINEL MASTER mymaster", "failover_in_progress"); }, 10s));
  for (const std::size_t replica : {1U, 2U}) sentinels.data(replica).cont();
  const auto before = load.answered.load();
  REQUIRE(comes_true([&] { return sentinels.master() != 0; }));
  REQUIRE(comes_true([&] { return load.answered > before + 100; }, 5s));
  load.end();
  CHECK(load.refused == 0);
  CHECK(load.possibly == 0);
  CHECK(value_of(sentinels.data(0), "n") == load.answered);
  CHECK(rig.reports().empty());
}

TEST_CASE("a master that comes back after a failover gets no charges, though it still calls itself one") {
  RedisSentinels sentinels;
  TopologyRig rig(sentinels.url());
  REQUIRE(rig.add("n", 1) == 1);
  sentinels.data(0).kill();
  (void)await_new_master(sentinels, 0);
  REQUIRE(comes_true([&] { return rig.add("n", 1) > 0; }, 5s));
  sentinels.data(0).restart();
  REQUIRE(sentinels.data(0).ask("ROLE").find("master") != std::string::npos);
  TopologyRig late(sentinels.url());  // one that begins now is not deceived either
  CHECK(late.is_well);
  while (sentinels.data(0).ask("ROLE").find("master") != std::string::npos) {
    CHECK(rig.add("n", 1) > 0);
    CHECK(late.add("n", 1) > 0);
    CHECK(value_of(sentinels.data(0), "n") == 0);
    std::this_thread::sleep_for(20ms);
  }
  // Busy sentinels may have failed over once more meanwhile: whoever is master now, both ask the same one.
  CHECK(comes_true([&] { return rig.add("n", 0) > 0 && rig.add("n", 0) == late.add("n", 0); }));
}

TEST_CASE("a server that was demoted without a word is left at its first READONLY") {
  RedisSentinels sentinels;
  TopologyRig rig(sentinels.url());
  REQUIRE(rig.add("n", 1) == 1);
  // Not the sentinels' work: they will make it a master again, and until then nobody is served.
  REQUIRE(sentinels.data(0).ask("REPLICAOF 127.0.0.1 " + std::to_string(sentinels.data(1).port())).starts_with("+OK"));
  CHECK(comes_true([&] { return rig.ask({"INCR", "n"}).has_error() && !rig.reports().empty(); }));
  CHECK(rig.reports().front().find("READONLY") != std::string::npos);
  CHECK(comes_true([&] { return rig.add("n", 1) > 0; }, 15s));
}

TEST_CASE("with no sentinel left the master that is known goes on to be used") {
  RedisSentinels sentinels;
  TopologyRig rig(sentinels.url());
  REQUIRE(rig.add("n", 1) == 1);
  for (const std::size_t i : {0U, 1U, 2U}) sentinels.sentinel(i).kill();
  for (const auto end = Clock::now() + 1500ms; Clock::now() < end; std::this_thread::sleep_for(10ms)) CHECK(rig.add("n", 1) > 0);
  CHECK(rig.reports().empty());
  sentinels.data(0).restart();  // even after it was away
  CHECK(comes_true([&] { return rig.add("n", 1) > 0; }, 1s));
  TopologyRig late(sentinels.url());
  CHECK_FALSE(late.is_well);
  CHECK(late.ask({"GET", "n"}).error().text.find("no sentinel of \"mymaster\" answers") != std::string::npos);
}

TEST_CASE("that no sentinel is left is told once, and once that one is back") {
  RedisSentinels sentinels;
  TopologyRig rig(sentinels.url());
  REQUIRE(rig.is_well);
  sentinels.sentinel(0).kill();
  sentinels.sentinel(1).kill();
  REQUIRE(rig.add("n", 1) == 1);
  CHECK(rig.news().empty());
  sentinels.sentinel(2).kill();
  CHECK(comes_true([&] { return !rig.news().empty(); }, 5s));
  std::this_thread::sleep_for(1s);  // what must not happen has had three tries to happen
  CHECK(rig.news() == std::vector<std::string>{"discovery_fails"});
  CHECK(rig.reports().empty());
  sentinels.sentinel(1).restart();
  CHECK(comes_true([&] { return rig.news().size() == 2; }, 10s));
  std::this_thread::sleep_for(500ms);
  CHECK(rig.news() == std::vector<std::string>{"discovery_fails", "discovery_works"});
}

TEST_CASE("a wrong name, or servers that are no sentinels, are told as what they are") {
  RedisSentinels sentinels;
  TopologyRig wrong_name(sentinels.url("mymistress"));
  CHECK_FALSE(wrong_name.is_well);
  const auto nobody = wrong_name.ask({"GET", "n"}).error();
  CHECK(nobody.kind == StoreErrorKind::misconfigured);
  CHECK(nobody.executed == Executed::no);
  for (const std::size_t i : {0U, 1U, 2U}) CHECK(nobody.text.find(std::to_string(sentinels.sentinel(i).port())) != std::string::npos);
  CHECK(nobody.text.find("no master is called \"mymistress\"") != std::string::npos);

  TopologyRig no_sentinel("redis+sentinel://127.0.0.1:" + std::to_string(sentinels.data(0).port()) + "/mymaster");
  CHECK_FALSE(no_sentinel.is_well);
  CHECK(no_sentinel.ask({"GET", "n"}).error().text.find("is no Sentinel") != std::string::npos);

  TopologyRig as_cluster("redis+cluster://127.0.0.1:" + std::to_string(sentinels.data(0).port()));
  CHECK_FALSE(as_cluster.is_well);
  CHECK(as_cluster.ask({"GET", "n"}).error().text.find("is no node of a Redis Cluster") != std::string::npos);
}

}  // namespace quota::test
