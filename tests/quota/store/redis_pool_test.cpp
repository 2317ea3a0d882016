#include "quota/store/redis_pool.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <string>
#include <thread>

#include "tests/support/redis_server.hpp"
#include "tests/support/rogue_server.hpp"

using namespace quota;
using namespace std::chrono_literals;

namespace {

using Clock = std::chrono::steady_clock;

Deadline in(std::chrono::milliseconds time) { return Clock::now() + time; }

RedisAddress address(const std::string& url) { return *RedisAddress::parse(url); }

const RedisScript add("return redis.call('INCRBY', KEYS[1], ARGV[1])");

Result<RedisReply, StoreError> run(RedisPool& pool, const RedisScript& script, std::string_view key,
                                   std::string_view argument) {
  const std::string_view keys[] = {key};
  const std::string_view arguments[] = {argument};
  return pool.eval(script, keys, arguments, in(2s));
}

template <class Condition>
bool comes_true(Condition condition, std::chrono::milliseconds within) {
  for (const auto end = Clock::now() + within; Clock::now() < end;)
    if (condition()) return true;
  return false;
}

}  // namespace

TEST_CASE("a script runs by its name, by its text where it is not known, and once each time") {
  CHECK(RedisScript("return 1").sha() == "e0e1f9fabfc9d4800c877a703b823ac0578ff8db");
  test::RedisServer server;
  Resolver resolver;
  RedisPool pool(address(server.unix_url()), resolver);
  CHECK(run(pool, add, "n", "5")->integer() == 5);
  CHECK(run(pool, add, "n", "5")->integer() == 10);
  REQUIRE(pool.ask(Command{"SCRIPT", "FLUSH"}, in(1s)).has_value());
  CHECK(run(pool, add, "n", "5")->integer() == 15);
  CHECK(server.ask("INFO commandstats").find("cmdstat_eval:calls=2,") != std::string::npos);
}

TEST_CASE("an error reply is an error; after one of a server that cannot write the connection is not kept") {
  test::RedisServer server;
  Resolver resolver;
  RedisPool pool(address(server.unix_url()), resolver);
  REQUIRE(pool.ask(Command{"SET", "text", "x"}, in(1s)).has_value());
  const auto unknown = pool.ask(Command{"NONSENSE"}, in(1s));
  REQUIRE(unknown.has_error());
  CHECK(unknown.error().executed == Executed::possibly);
  CHECK(run(pool, add, "text", "1").error().kind == StoreErrorKind::refused);
  CHECK(pool.ask(Command{"LPUSH", "text", "1"}, in(1s)).error().kind == StoreErrorKind::misconfigured);
  CHECK(pool.level().idle == 1);

  server.ask("CONFIG SET min-replicas-to-write 1");
  const auto alone = run(pool, add, "n", "1");
  REQUIRE(alone.has_error());
  CHECK(alone.error().kind == StoreErrorKind::refused);
  CHECK(alone.error().executed == Executed::no);
  CHECK(pool.level().open == 0);
}

TEST_CASE("connections that the server closed while they were kept are replaced unnoticed") {
  test::RedisServer server({}, test::RedisServer::Listen::unix_and_tcp);
  Resolver resolver;
  std::string url = server.unix_url();
  SUBCASE("on a unix socket") {}
  SUBCASE("by TCP") { url = server.tcp_url(); }
  RedisPool pool(address(url), resolver);
  for (int round = 1; round <= 50; ++round) {
    REQUIRE(run(pool, add, "n", "1")->integer() == round);
    REQUIRE(server.ask("CLIENT KILL TYPE normal SKIPME yes").starts_with(":1"));
  }
  CHECK(pool.level().open == 1);
}

TEST_CASE("of several dead connections each gives its place back") {
  test::RedisServer server;
  Resolver resolver;
  RedisPool pool(address(server.unix_url()), resolver, {.most_connections = 3});
  for (int round = 0; round < 3; ++round) {
    std::vector<std::thread> callers;
    for (int i = 0; i < 3; ++i)
      callers.emplace_back([&] { CHECK(pool.ask(Command{"BLPOP", "list", "0"}, in(5s)).has_value()); });
    REQUIRE(comes_true([&] { return server.ask("INFO clients").find("blocked_clients:3") != std::string::npos; }, 3s));
    server.ask("RPUSH list a b c");
    for (auto& caller : callers) caller.join();
    CHECK(pool.level().idle == 3);
    REQUIRE(server.ask("CLIENT KILL TYPE normal SKIPME yes").starts_with(":3"));
    CHECK(pool.ask(Command{"PING"}, in(1s)).has_value());
    CHECK(pool.level().open == 1);
  }
}

TEST_CASE("after a crash and a restart of the server the pool serves again, by itself") {
  test::RedisServer server;
  Resolver resolver;
  RedisPool pool(address(server.unix_url()), resolver);
  REQUIRE(run(pool, add, "n", "1").has_value());
  server.kill();
  const auto down = run(pool, add, "n", "1");
  REQUIRE(down.has_error());
  CHECK(down.error().kind == StoreErrorKind::unreachable);
  CHECK(down.error().executed == Executed::no);
  server.restart();
  CHECK(comes_true([&] { return run(pool, add, "n", "1").has_value(); }, 3s));
  CHECK(run(pool, add, "n", "1").has_value());
}

TEST_CASE("while a server is away, few attempts are made and nobody waits for them") {
  std::atomic<int> attempts = 0;
  test::RogueServer server([&](test::RoguePeer& peer) {
    ++attempts;
    if (peer.read()) peer.write("-LOADING not yet\r\n");
  });
  Resolver resolver;
  RedisPool pool(address("unix:" + server.path()), resolver);
  std::atomic<int> slow = 0;
  std::atomic<int> asked = 0;
  std::vector<std::thread> callers;
  const auto end = in(1s);
  for (int i = 0; i < 4; ++i)
    callers.emplace_back([&] {
      while (Clock::now() < end) {
        const auto started = Clock::now();
        if (pool.ask(Command{"PING"}, started + 150ms)) ++slow;
        if (Clock::now() - started > 100ms) ++slow;
        ++asked;
        std::this_thread::yield();
      }
    });
  for (auto& caller : callers) caller.join();
  CHECK(slow == 0);
  CHECK(asked > 1000);
  // 50 ms doubling, each up to a half shorter: 4 to 6 in the first second, and up to 4 that had begun together.
  CHECK(attempts <= 10);
  CHECK(attempts >= 3);
  CHECK(pool.ask(Command{"PING"}, in(1s)).error().text.find("LOADING") != std::string::npos);
}

TEST_CASE("a stopped server costs each caller its own deadline, and all of them answer again when it goes on") {
  test::RedisServer server;
  Resolver resolver;
  RedisPool pool(address(server.unix_url()), resolver);
  REQUIRE(run(pool, add, "n", "1").has_value());
  server.stop();
  std::atomic<int> late = 0;
  std::vector<std::thread> callers;
  for (int i = 0; i < 16; ++i)
    callers.emplace_back([&] {
      for (int round = 0; round < 4; ++round) {
        const auto started = Clock::now();
        if (pool.ask(Command{"INCR", "n"}, started + 150ms) || Clock::now() - started > 250ms) ++late;
      }
    });
  for (auto& caller : callers) caller.join();
  CHECK(late == 0);
  CHECK(pool.level().idle == 0);
  CHECK(pool.level().open == 0);
  server.cont();
  CHECK(comes_true([&] { return run(pool, add, "n", "1").has_value(); }, 3s));
}

TEST_CASE("callers that fail together make one pause, not one each") {
  test::RedisServer server;
  Resolver resolver;
  RedisPool pool(address(server.unix_url()), resolver);
  server.stop();
  std::vector<std::thread> callers;
  for (int i = 0; i < 8; ++i) callers.emplace_back([&] { CHECK(pool.ask(Command{"PING"}, in(100ms)).has_error()); });
  for (auto& caller : callers) caller.join();
  server.cont();
  // Eight pauses would have grown to 2 s, of which at least one must pass.
  CHECK(comes_true([&] { return pool.ask(Command{"PING"}, in(500ms)).has_value(); }, 900ms));
}

TEST_CASE("many threads get each its own answers, within the bound on connections") {
  test::RedisServer server;
  Resolver resolver;
  RedisPool pool(address(server.unix_url()), resolver, {.most_connections = 8});
  std::atomic<int> wrong = 0;
  std::vector<std::thread> callers;
  for (int i = 0; i < 32; ++i)
    callers.emplace_back([&, i] {
      for (int round = 0; round < 200; ++round) {
        const auto text = std::to_string(i) + "/" + std::to_string(round);
        const auto reply = pool.ask(Command{"ECHO", text}, in(5s));
        if (!reply || reply->text() != text) ++wrong;
        if (run(pool, add, "n", "1").has_error()) ++wrong;
      }
    });
  for (auto& caller : callers) caller.join();
  CHECK(wrong == 0);
  CHECK(pool.level().open <= 8);
  CHECK(pool.level().open == pool.level().idle);
  CHECK(pool.ask(Command{"GET", "n"}, in(1s))->text() == "6400");
}

TEST_CASE("at the bound a caller waits for its turn, until its deadline at most") {
  test::RedisServer server;
  Resolver resolver;
  RedisPool pool(address(server.unix_url()), resolver, {.most_connections = 1});
  REQUIRE(pool.ask(Command{"PING"}, in(1s)).has_value());
  std::thread holder([&] { CHECK(pool.ask(Command{"BLPOP", "list", "0"}, in(10s)).has_value()); });
  REQUIRE(comes_true([&] { return pool.level().idle == 0; }, 2s));

  const auto started = Clock::now();
  const auto too_late = pool.ask(Command{"PING"}, in(50ms));
  REQUIRE(too_late.has_error());
  CHECK(too_late.error().kind == StoreErrorKind::timed_out);
  CHECK(too_late.error().executed == Executed::no);
  CHECK(Clock::now() - started >= 50ms);
  CHECK(Clock::now() - started <= 100ms);

  std::thread waiter([&] { CHECK(pool.ask(Command{"PING"}, in(10s))->text() == "PONG"); });
  server.ask("RPUSH list x");
  holder.join();
  waiter.join();
}

TEST_CASE("a pause grows to its longest and ends with the first success") {
  const auto start = Clock::now();
  Backoff backoff(50ms, 2000ms, 1);
  CHECK(backoff.may_try(start));
  for (const auto whole : {50ms, 100ms, 200ms, 400ms, 800ms, 1600ms, 2000ms, 2000ms}) {
    backoff.failed(start);
    CHECK(backoff.failing());
    CHECK(!backoff.may_try(start + whole / 2 - 1ms));
    CHECK(backoff.may_try(start + whole));
  }
  backoff.succeeded();
  CHECK(backoff.may_try(start));
  backoff.failed(start);
  CHECK(backoff.may_try(start + 50ms));
}

TEST_CASE("a wrong password stays a misconfiguration between the attempts") {
  test::RedisServer server({"requirepass right"});
  Resolver resolver;
  RedisPool pool(address(server.unix_url() + "?password=wrong"), resolver);
  for (int i = 0; i < 5; ++i) CHECK(pool.ask(Command{"PING"}, in(1s)).error().kind == StoreErrorKind::misconfigured);
}

TEST_CASE("a connection apart does not count in the pool") {
  test::RedisServer server;
  Resolver resolver;
  RedisPool pool(address(server.unix_url()), resolver);
  auto apart = pool.open_apart(in(1s));
  REQUIRE(apart.has_value());
  CHECK((*apart)->ask(Command{"PING"}, in(1s))->text() == "PONG");
  CHECK(pool.level().open == 0);
}
