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
using Standing = RedisPool::Standing;

Deadline in(std::chrono::milliseconds time) { return Clock::now() + time; }

/// A pool for a server, and the questions that tests ask on it.
struct Pooled {
  explicit Pooled(const std::string& url, RedisPoolOptions options = {}, Standing standing = Standing::serving)
      : address(*RedisAddress::parse(url)), pool(address.seeds.front(), address.login, resolver, standing, counting(std::move(options))) {}

  RedisPoolOptions counting(RedisPoolOptions options) {
    options.alarm = [this] { ++alarms; };
    return options;
  }
  Result<RedisReply, StoreError> ask(const Command& command, Deadline deadline) {
    for (;;) {
      auto loan = pool.borrow(deadline);
      if (!loan) return loan.error();
      auto sent = (*loan)->send_all({&command, 1}, deadline);
      if (!sent && RedisPool::may_borrow_again(*loan, sent.error())) continue;
      auto reply = sent ? (*loan)->receive(deadline) : Result<RedisReply, StoreError>(sent.error());
      if (!reply) pool.fail(*loan, reply.error());
      return reply;
    }
  }
  Result<void, StoreError> look(Deadline deadline) {
    return pool.look(
        [](RedisConnection& connection, Deadline by) -> Result<void, StoreError> {
          const auto reply = connection.ask(Command{"PING"}, by);
          if (!reply) return reply.error();
          if (const auto error = reply->error()) return to_store_error(*error);
          return {};
        },
        deadline);
  }

  Resolver resolver;
  RedisAddress address;
  std::atomic<int> alarms = 0;
  RedisPool pool;
};

/// Connections of the pool, as the server sees them.
std::size_t connections_to(const test::RedisServer& server) {
  const auto list = server.ask("CLIENT LIST");
  std::size_t count = 0;
  for (auto at = list.find("name=sendquota"); at != std::string::npos; at = list.find("name=sendquota", at + 1)) ++count;
  return count;
}

template <class Condition>
bool comes_true(Condition condition, std::chrono::milliseconds within) {
  for (const auto end = Clock::now() + within; Clock::now() < end;)
    if (condition()) return true;
  return false;
}

}  // namespace

TEST_CASE("a connection that the server closed while nobody asked is replaced unnoticed") {
  test::RedisServer server({}, test::RedisServer::Listen::unix_and_tcp);
  std::string url = server.unix_url();
  SUBCASE("on a unix socket") {}
  SUBCASE("by TCP") { url = server.tcp_url(); }
  Pooled pooled(url);
  for (int round = 1; round <= 50; ++round) {
    REQUIRE(pooled.ask(Command{"INCR", "n"}, in(2s))->integer() == round);
    REQUIRE(server.ask("CLIENT KILL TYPE normal SKIPME yes").starts_with(":1"));
  }
  CHECK(pooled.alarms == 0);
}

TEST_CASE("a server that failed is asked nothing until it was found well") {
  test::RedisServer server;
  Pooled pooled(server.unix_url());
  REQUIRE(pooled.ask(Command{"PING"}, in(1s)).has_value());
  server.kill();
  CHECK(pooled.ask(Command{"PING"}, in(1s)).error().kind == StoreErrorKind::unreachable);
  server.restart();
  const auto refused = pooled.ask(Command{"PING"}, in(1s));  // it would answer, but no question is the one that tries
  REQUIRE(refused.has_error());
  CHECK(refused.error().executed == Executed::no);
  CHECK(refused.error().text.find("not asked again yet") != std::string::npos);
  CHECK(pooled.alarms == 1);
  CHECK(pooled.look(in(1s)).has_value());
  CHECK(pooled.ask(Command{"PING"}, in(1s)).has_value());
}

TEST_CASE("one that is unproven is asked nothing before it was looked at") {
  test::RedisServer server;
  Pooled pooled(server.unix_url(), {}, Standing::unproven);
  CHECK(pooled.pool.is_in_doubt());
  CHECK(pooled.ask(Command{"PING"}, in(1s)).has_error());
  REQUIRE(pooled.look(in(1s)).has_value());
  CHECK_FALSE(pooled.pool.is_in_doubt());
  CHECK(pooled.ask(Command{"PING"}, in(1s)).has_value());
}

TEST_CASE("a stopped server costs one deadline, and nobody after it waits") {
  test::RedisServer server;
  Pooled pooled(server.unix_url(), {.patience = 40ms});
  REQUIRE(pooled.ask(Command{"PING"}, in(1s)).has_value());
  server.stop();
  const auto begun = Clock::now();
  CHECK(pooled.ask(Command{"INCR", "n"}, in(150ms)).error().kind == StoreErrorKind::timed_out);
  for (int i = 0; i < 1000; ++i) CHECK(pooled.ask(Command{"INCR", "n"}, in(150ms)).error().executed == Executed::no);
  CHECK(Clock::now() - begun < 250ms);
  CHECK(pooled.look(in(100ms)).has_error());
  server.cont();
  CHECK(pooled.look(in(1s)).has_value());
  CHECK(pooled.ask(Command{"GET", "n"}, in(1s)).has_value());
}

TEST_CASE("one caller opens the connection, the others wait for it, and no longer than it takes to fail") {
  test::RedisServer server;
  Pooled pooled(server.unix_url(), {.patience = 40ms});
  server.stop();
  std::vector<std::thread> callers;
  const auto begun = Clock::now();
  callers.emplace_back([&] { CHECK(pooled.ask(Command{"PING"}, in(150ms)).has_error()); });
  for (int i = 0; i < 8; ++i) callers.emplace_back([&] { CHECK(pooled.ask(Command{"PING"}, begun + 150ms).has_error()); });
  for (auto& caller : callers) caller.join();
  CHECK(Clock::now() - begun < 2s);
  server.cont();
  REQUIRE(pooled.look(in(1s)).has_value());
  CHECK(pooled.ask(Command{"PING"}, in(1s)).has_value());
}

TEST_CASE("a deadline that comes too soon to say anything about the server only calls for a look") {
  test::RedisServer server;
  Pooled pooled(server.unix_url(), {.patience = 200ms});
  REQUIRE(pooled.ask(Command{"PING"}, in(1s)).has_value());
  CHECK(pooled.ask(Command{"BLPOP", "list", "0"}, in(20ms)).error().kind == StoreErrorKind::timed_out);
  CHECK_FALSE(pooled.pool.failure().has_value());
  CHECK(pooled.pool.is_in_doubt());
  CHECK(pooled.alarms == 1);
  server.ask("RPUSH list x");
  CHECK(pooled.ask(Command{"PING"}, in(1s)).has_value());
  REQUIRE(pooled.look(in(1s)).has_value());
  CHECK_FALSE(pooled.pool.is_in_doubt());
}

TEST_CASE("what ends late says nothing about a server that was found well since") {
  test::RedisServer server;
  Pooled pooled(server.unix_url(), {.patience = 10ms});
  auto late = pooled.pool.borrow(in(1s));
  REQUIRE(late.has_value());
  pooled.pool.fail(*late, {StoreErrorKind::closed, Executed::possibly, "first"});
  REQUIRE(pooled.look(in(1s)).has_value());
  pooled.pool.fail(*late, {StoreErrorKind::closed, Executed::possibly, "late"});
  CHECK_FALSE(pooled.pool.failure().has_value());
}

TEST_CASE("the answers of a question that nobody waits for are dropped, and the next one gets its own") {
  test::RedisServer server;
  Pooled pooled(server.unix_url());
  {
    auto loan = pooled.pool.borrow(in(1s));
    REQUIRE(loan.has_value());
    const Command commands[] = {{"ECHO", "one"}, {"ECHO", "two"}};
    REQUIRE((*loan)->send_all(commands, in(1s)).has_value());
    CHECK((*loan)->receive(in(1s))->text() == "one");
  }
  CHECK(pooled.ask(Command{"ECHO", "three"}, in(1s))->text() == "three");
  CHECK(connections_to(server) == 1);
}

TEST_CASE("who gives up leaves the reading to those who still wait") {
  test::RedisServer server;
  Pooled pooled(server.unix_url(), {.patience = 1s});
  REQUIRE(pooled.ask(Command{"PING"}, in(1s)).has_value());
  std::thread first([&] { CHECK(pooled.ask(Command{"BLPOP", "list", "0"}, in(200ms)).error().kind == StoreErrorKind::timed_out); });
  REQUIRE(comes_true([&] { return server.ask("INFO clients").find("blocked_clients:1") != std::string::npos; }, 3s));
  std::vector<std::thread> others;
  for (int i = 0; i < 4; ++i) others.emplace_back([&] { CHECK(pooled.ask(Command{"PING"}, in(10s))->text() == "PONG"); });
  first.join();
  server.ask("RPUSH list x");
  for (auto& other : others) other.join();
}

TEST_CASE("what has not left by its deadline was not executed, and never leaves") {
  test::RedisServer server;
  Pooled pooled(server.unix_url(), {.patience = 10s});
  // It holds up all that is asked after it, and nobody waits for it.
  REQUIRE(pooled.ask(Command{"BLPOP", "list", "0"}, in(50ms)).error().kind == StoreErrorKind::timed_out);
  std::vector<std::thread> callers;
  std::atomic<int> possibly = 0;
  std::atomic<int> never = 0;
  for (int i = 0; i < 16; ++i)
    callers.emplace_back([&] {
      const auto reply = pooled.ask(Command{"INCR", "n"}, in(200ms));
      if (reply) return;
      ++(reply.error().executed == Executed::no ? never : possibly);
    });
  for (auto& caller : callers) caller.join();
  CHECK(never + possibly == 16);
  CHECK(never > 0);
  server.ask("RPUSH list a");
  const auto next = pooled.ask(Command{"INCR", "n"}, in(5s));
  REQUIRE(next.has_value());
  CHECK(next->integer() == possibly + 1);
}

TEST_CASE("a connection that breaks ends every question that is under way") {
  test::RedisServer server;
  Pooled pooled(server.unix_url());
  REQUIRE(pooled.ask(Command{"PING"}, in(1s)).has_value());
  std::vector<std::thread> callers;
  std::atomic<int> possibly = 0;
  for (int i = 0; i < 4; ++i)
    callers.emplace_back([&] {
      const auto reply = pooled.ask(Command{"BLPOP", "list", "0"}, in(10s));
      possibly += reply.error().executed == Executed::possibly;
    });
  REQUIRE(comes_true([&] { return server.ask("INFO clients").find("blocked_clients:1") != std::string::npos; }, 3s));
  const auto begun = Clock::now();
  server.kill();
  for (auto& caller : callers) caller.join();
  CHECK(Clock::now() - begun < 5s);
  CHECK(possibly >= 1);  // and who had not asked yet is refused at once
  CHECK(pooled.pool.failure().has_value());
}

TEST_CASE("what has come by the deadline is read after it") {
  test::RedisServer server;
  Pooled pooled(server.unix_url());
  auto loan = pooled.pool.borrow(in(1s));
  REQUIRE(loan.has_value());
  const Command commands[] = {{"ECHO", "one"}, {"ECHO", "two"}};
  const auto deadline = in(300ms);
  REQUIRE((*loan)->send_all(commands, deadline).has_value());
  std::this_thread::sleep_until(deadline + 1ms);
  CHECK((*loan)->receive(deadline)->text() == "one");
  CHECK((*loan)->receive(deadline)->text() == "two");
}

TEST_CASE("many threads get each its own answers on one connection") {
  test::RedisServer server({}, test::RedisServer::Listen::unix_and_tcp);
  std::string url = server.unix_url();
  SUBCASE("on a unix socket") {}
  SUBCASE("by TCP") { url = server.tcp_url(); }
  Pooled pooled(url);
  std::atomic<int> wrong = 0;
  std::vector<std::thread> callers;
  for (int i = 0; i < 32; ++i)
    callers.emplace_back([&, i] {
      for (int round = 0; round < 500; ++round) {
        const auto text = std::to_string(i) + "/" + std::to_string(round) + std::string(round % 50 == 0 ? 100'000 : 0, 'x');
        const auto reply = pooled.ask(Command{"ECHO", text}, in(5s));
        if (!reply || reply->text() != text) ++wrong;
      }
    });
  for (auto& caller : callers) caller.join();
  CHECK(wrong == 0);
  CHECK(connections_to(server) == 1);
}

TEST_CASE("a wrong password stays a misconfiguration between the attempts") {
  test::RedisServer server({"requirepass right"});
  Pooled pooled(server.unix_url() + "?password=wrong");
  for (int i = 0; i < 5; ++i) CHECK(pooled.ask(Command{"PING"}, in(1s)).error().kind == StoreErrorKind::misconfigured);
}

TEST_CASE("a connection apart is another one, and is not opened to a server that failed") {
  test::RedisServer server;
  Pooled pooled(server.unix_url());
  auto apart = pooled.pool.open_apart(in(1s));
  REQUIRE(apart.has_value());
  CHECK((*apart)->ask(Command{"PING"}, in(1s))->text() == "PONG");
  CHECK(pooled.ask(Command{"PING"}, in(1s)).has_value());
  CHECK(connections_to(server) == 2);
  server.kill();
  CHECK(pooled.ask(Command{"PING"}, in(1s)).has_error());
  server.restart();
  CHECK(pooled.pool.open_apart(in(1s)).has_error());
}
