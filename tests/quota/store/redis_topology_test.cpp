// One Redis server as a topology. Sentinel and Cluster have tests of their own.
#include "quota/store/redis_topology.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <mutex>

#include "tests/quota/store/topology_rig.hpp"
#include "tests/support/redis_server.hpp"
#include "tests/support/rogue_server.hpp"

namespace quota::test {
namespace {

using ::test::RedisServer;

TEST_CASE("a script runs by its name, by its text where it is not known, and once each time") {
  CHECK(RedisScript("return 1").sha() == "e0e1f9fabfc9d4800c877a703b823ac0578ff8db");
  RedisServer server;
  TopologyRig rig(server.unix_url());
  CHECK(rig.add("n", 5) == 5);
  CHECK(rig.add("n", 5) == 10);
  server.ask("SCRIPT FLUSH");
  CHECK(rig.add("n", 5) == 15);
}

TEST_CASE("an error reply is an error, and only one that means that nobody can be served is taken for a failure") {
  RedisServer server;
  TopologyRig rig(server.unix_url());
  REQUIRE(rig.ask({"SET", "text", "x"}).has_value());
  CHECK(rig.ask({"NONSENSE", "text"}).error().executed == Executed::possibly);
  CHECK(rig.ask({"LPUSH", "text", "1"}).error().kind == StoreErrorKind::misconfigured);
  CHECK(rig.add("n", 1) == 1);
  CHECK(rig.reports().empty());

  server.ask("CONFIG SET min-replicas-to-write 1");
  const auto alone = rig.ask({"INCR", "n"});
  REQUIRE(alone.has_error());
  CHECK(alone.error().kind == StoreErrorKind::refused);
  CHECK(alone.error().executed == Executed::no);
  CHECK(comes_true([&] { return rig.reports().size() == 1; }));
  CHECK(rig.reports().front().find("NOREPLICAS") != std::string::npos);
  server.ask("CONFIG SET min-replicas-to-write 0");
  CHECK(comes_true([&] { return rig.add("n", 1) > 1; }, 1s));
  CHECK(comes_true([&] { return rig.reports().size() == 2; }));
  CHECK(rig.reports().back().empty());
}

TEST_CASE("after any failure of its server a topology serves again within a second, told once each") {
  struct {
    std::string what;
    std::function<void(RedisServer&)> fail;
    std::function<void(RedisServer&)> heal;
  } const rows[] = {
      {"killed", [](RedisServer& server) { server.kill(); }, [](RedisServer& server) { server.restart(); }},
      {"stopped", [](RedisServer& server) { server.stop(); }, [](RedisServer& server) { server.cont(); }},
      {"full", [](RedisServer& server) { server.ask("CONFIG SET maxmemory 1"); }, [](RedisServer& server) { server.ask("CONFIG SET maxmemory 0"); }},
      {"a replica", [](RedisServer& server) { server.ask("REPLICAOF 127.0.0.1 1"); }, [](RedisServer& server) { server.ask("REPLICAOF NO ONE"); }},
  };
  for (const auto& row : rows) {
    CAPTURE(row.what);
    RedisServer server;
    TopologyRig rig(server.unix_url());
    REQUIRE(rig.add("n", 1) == 1);
    row.fail(server);
    REQUIRE(comes_true([&] { return rig.ask({"INCR", "m"}).has_error(); }, 5s));
    CHECK(comes_true([&] { return rig.reports().size() == 1; }, 5s));
    const auto begun = Clock::now();
    for (int i = 0; i < 200; ++i) CHECK(rig.ask({"INCR", "m"}).has_error());
    CHECK(Clock::now() - begun < 100ms);
    row.heal(server);
    const auto healed = Clock::now();
    CHECK(comes_true([&] { return rig.ask({"INCR", "m"}).has_value(); }, 3s));
    MESSAGE(row.what << ": serves again after " << milliseconds_since(healed) << " ms");
    CHECK(Clock::now() - healed < 1s);
    CHECK(comes_true([&] { return rig.reports().size() == 2; }));
    CHECK(rig.reports().back().empty());
  }
}

TEST_CASE("a failure that the first look cures is told too, but only once a minute") {
  ::test::RogueServer server([](::test::RoguePeer& peer) {
    for (auto said = peer.read_text(); !said.empty(); said = peer.read_text()) {
      if (said.find("INCR") != said.npos) {
        peer.write("-LOADING for this one\r\n");
        return;
      }
      peer.write("+OK\r\n");  // to a name, and to whatever a look asks
    }
  });
  TopologyRig rig("unix:" + server.path());
  REQUIRE(rig.is_well);
  REQUIRE(rig.ask({"INCR", "n"}).has_error());
  CHECK(comes_true([&] { return rig.reports().size() == 2; }));
  CHECK(rig.reports().front().find("LOADING") != std::string::npos);
  CHECK(rig.reports().back().empty());
  REQUIRE(comes_true([&] { return rig.ask({"PING", "n"}).has_value(); }));

  REQUIRE(rig.ask({"INCR", "n"}).has_error());
  CHECK(comes_true([&] { return rig.ask({"PING", "n"}).has_value(); }));
  CHECK(rig.reports().size() == 2);
}

TEST_CASE("a look leaves nothing behind, and needs no more than judging does") {
  RedisServer server({"user judge on nopass resetkeys ~sendquota:* resetchannels -@all +evalsha +eval +hget +hmget +hset +pttl +pexpire +time"});
  TopologyRig rig(server.unix_url() + "?user=judge&password=x");
  CHECK(rig.is_well);
  CHECK(comes_true([&] { return server.ask("DBSIZE") == ":0\r\n"; }));  // Redis takes its time to notice what is over
}

TEST_CASE("while a server is away it is tried at most once in 250 ms") {
  std::atomic<int> attempts = 0;
  ::test::RogueServer server([&](::test::RoguePeer& peer) {
    ++attempts;
    if (peer.read()) peer.write("-LOADING not yet\r\n");
  });
  TopologyRig rig("unix:" + server.path());
  CHECK_FALSE(rig.is_well);
  std::vector<std::thread> callers;
  std::atomic<int> asked = 0;
  const auto end = Clock::now() + 2s;
  for (int i = 0; i < 4; ++i)
    callers.emplace_back([&] {
      while (Clock::now() < end) {
        CHECK(rig.ask({"PING", "key"}).has_error());
        ++asked;
        std::this_thread::yield();
      }
    });
  for (auto& caller : callers) caller.join();
  CHECK(asked > 1000);
  CHECK(attempts <= 9);
  CHECK(attempts >= 5);
  CHECK(rig.ask({"PING", "key"}).error().text.find("LOADING") != std::string::npos);
}

TEST_CASE("a server that hangs costs 32 callers one deadline in all") {
  RedisServer server;
  TopologyRig rig(server.unix_url());
  REQUIRE(rig.add("n", 1) == 1);
  server.stop();
  std::vector<std::thread> callers;
  std::atomic<int> slow = 0;
  std::atomic<int> longest = 0;
  for (int i = 0; i < 32; ++i)
    callers.emplace_back([&] {
      for (int round = 0; round < 20; ++round) {
        const auto begun = Clock::now();
        CHECK(rig.ask({"INCR", "n"}).has_error());
        const auto took = milliseconds_since(begun);
        if (took > 50) ++slow;
        for (auto seen = longest.load(); seen < took && !longest.compare_exchange_weak(seen, took);) {
        }
      }
    });
  for (auto& caller : callers) caller.join();
  MESSAGE("of 640 questions " << slow.load() << " waited, the longest " << longest.load() << " ms");
  WARN(slow <= 32);
  WARN(longest <= 150);
}

TEST_CASE("an address that names a Cluster's node or a Sentinel as one server is told what to write") {
  struct {
    std::vector<std::string> config;
    std::string want;
  } const rows[] = {
      {{"cluster-enabled yes"}, "write redis+cluster://"},
      {{"sentinel monitor mymaster 127.0.0.1 1 1"}, "write redis+sentinel://"},
  };
  for (const auto& row : rows) {
    RedisServer server(row.config, RedisServer::Listen::unix_and_tcp);
    TopologyRig rig(server.tcp_url());
    CHECK_FALSE(rig.is_well);
    const auto refused = rig.ask({"GET", "key"});
    REQUIRE(refused.has_error());
    CHECK(refused.error().kind == StoreErrorKind::misconfigured);
    CAPTURE(refused.error().text);
    CHECK(refused.error().text.find(row.want) != std::string::npos);
  }
}

}  // namespace
}  // namespace quota::test
