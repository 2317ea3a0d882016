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

/// A pool of connections to a server, and the questions that tests ask on it.
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
      auto reply = (*loan)->ask(command, deadline);
      if (reply) return reply;
      if (RedisPool::may_borrow_again(*loan, reply.error())) continue;
      pool.fail(*loan, reply.error());
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

template <class Condition>
bool comes_true(Condition condition, std::chrono::milliseconds within) {
  for (const auto end = Clock::now() + within; Clock::now() < end;)
    if (condition()) return true;
  return false;
}

}  // namespace

TEST_CASE("connections that the server closed while they were kept are replaced unnoticed") {
  test::RedisServer server({}, test::RedisServer::Listen::unix_and_tcp);
  std::string url = server.unix_url();
  SUBCASE("on a unix socket") {}
  SUBCASE("by TCP") { url = server.tcp_url(); }
  Pooled pooled(url);
  for (int round = 1; round <= 50; ++round) {
    REQUIRE(pooled.ask(Command{"INCR", "n"}, in(2s))->integer() == round);
    REQUIRE(server.ask("CLIENT KILL TYPE normal SKIPME yes").starts_with(":1"));
  }
  CHECK(pooled.pool.level().open == 1);
  CHECK(pooled.alarms == 0);
}

TEST_CASE("of several dead connections each gives its place back") {
  test::RedisServer server;
  Pooled pooled(server.unix_url(), {.most_connections = 3});
  for (int round = 0; round < 3; ++round) {
    std::vector<std::thread> callers;
    for (int i = 0; i < 3; ++i)
      callers.emplace_back([&] { CHECK(pooled.ask(Command{"BLPOP", "list", "0"}, in(5s)).has_value()); });
    REQUIRE(comes_true([&] { return server.ask("INFO clients").find("blocked_clients:3") != std::string::npos; }, 3s));
    server.ask("RPUSH list a b c");
    for (auto& caller : callers) caller.join();
    CHECK(pooled.pool.level().idle == 3);
    REQUIRE(server.ask("CLIENT KILL TYPE normal SKIPME yes").starts_with(":3"));
    CHECK(pooled.ask(Command{"PING"}, in(1s)).has_value());
    CHECK(pooled.pool.level().open == 1);
  }
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
  CHECK(pooled.pool.level().open == 0);
  CHECK(pooled.look(in(100ms)).has_error());
  server.cont();
  CHECK(pooled.look(in(1s)).has_value());
  CHECK(pooled.ask(Command{"GET", "n"}, in(1s)).has_value());
}

TEST_CASE("those who wait for a connection to a server that fails wait no longer") {
  test::RedisServer server;
  Pooled pooled(server.unix_url(), {.most_connections = 1, .patience = 40ms});
  REQUIRE(pooled.ask(Command{"PING"}, in(1s)).has_value());
  server.stop();
  std::vector<std::thread> callers;
  callers.emplace_back([&] { CHECK(pooled.ask(Command{"PING"}, in(150ms)).has_error()); });
  REQUIRE(comes_true([&] { return pooled.pool.level().idle == 0; }, 2s));
  const auto begun = Clock::now();
  for (int i = 0; i < 8; ++i) callers.emplace_back([&] { CHECK(pooled.ask(Command{"PING"}, in(10s)).has_error()); });
  for (auto& caller : callers) caller.join();
  CHECK(Clock::now() - begun < 2s);
}

TEST_CASE("a deadline that comes too soon to say anything about the server only calls for a look") {
  test::RedisServer server;
  Pooled pooled(server.unix_url(), {.patience = 200ms});
  REQUIRE(pooled.ask(Command{"PING"}, in(1s)).has_value());
  CHECK(pooled.ask(Command{"BLPOP", "list", "0"}, in(20ms)).error().kind == StoreErrorKind::timed_out);
  CHECK_FALSE(pooled.pool.failure().has_value());
  CHECK(pooled.pool.is_in_doubt());
  CHECK(pooled.alarms == 1);
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

TEST_CASE("a question without an answer closes its connection, whoever gives it back") {
  test::RedisServer server;
  Pooled pooled(server.unix_url());
  {
    auto loan = pooled.pool.borrow(in(1s));
    REQUIRE(loan.has_value());
    const Command commands[] = {{"ECHO", "one"}, {"ECHO", "two"}};
    REQUIRE((*loan)->send_all(commands, in(1s)).has_value());
    CHECK((*loan)->receive(in(1s))->text() == "one");
    CHECK_FALSE((*loan)->is_at_rest());
  }
  CHECK(pooled.pool.level().open == 0);
  CHECK(pooled.ask(Command{"ECHO", "three"}, in(1s))->text() == "three");
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

TEST_CASE("many threads get each its own answers, within the bound on connections") {
  test::RedisServer server;
  Pooled pooled(server.unix_url(), {.most_connections = 8});
  std::atomic<int> wrong = 0;
  std::vector<std::thread> callers;
  for (int i = 0; i < 32; ++i)
    callers.emplace_back([&, i] {
      for (int round = 0; round < 200; ++round) {
        const auto text = std::to_string(i) + "/" + std::to_string(round);
        const auto reply = pooled.ask(Command{"ECHO", text}, in(5s));
        if (!reply || reply->text() != text) ++wrong;
      }
    });
  for (auto& caller : callers) caller.join();
  CHECK(wrong == 0);
  CHECK(pooled.pool.level().open <= 8);
  CHECK(pooled.pool.level().open == pooled.pool.level().idle);
}

TEST_CASE("at the bound a caller waits for its turn, until its deadline at most") {
  test::RedisServer server;
  Pooled pooled(server.unix_url(), {.most_connections = 1});
  REQUIRE(pooled.ask(Command{"PING"}, in(1s)).has_value());
  std::thread holder([&] { CHECK(pooled.ask(Command{"BLPOP", "list", "0"}, in(10s)).has_value()); });
  REQUIRE(comes_true([&] { return pooled.pool.level().idle == 0; }, 2s));

  const auto started = Clock::now();
  const auto too_late = pooled.ask(Command{"PING"}, in(50ms));
  REQUIRE(too_late.has_error());
  CHECK(too_late.error().kind == StoreErrorKind::timed_out);
  CHECK(too_late.error().executed == Executed::no);
  CHECK(Clock::now() - started >= 50ms);
  CHECK(Clock::now() - started <= 100ms);
  CHECK_FALSE(pooled.pool.failure().has_value());  // others were slow, not the server

  std::thread waiter([&] { CHECK(pooled.ask(Command{"PING"}, in(10s))->text() == "PONG"); });
  server.ask("RPUSH list x");
  holder.join();
  waiter.join();
}

TEST_CASE("a wrong password stays a misconfiguration between the attempts") {
  test::RedisServer server({"requirepass right"});
  Pooled pooled(server.unix_url() + "?password=wrong");
  for (int i = 0; i < 5; ++i) CHECK(pooled.ask(Command{"PING"}, in(1s)).error().kind == StoreErrorKind::misconfigured);
}

TEST_CASE("a connection apart does not count in the pool, and is not opened to a server that failed") {
  test::RedisServer server;
  Pooled pooled(server.unix_url());
  auto apart = pooled.pool.open_apart(in(1s));
  REQUIRE(apart.has_value());
  CHECK((*apart)->ask(Command{"PING"}, in(1s))->text() == "PONG");
  CHECK(pooled.pool.level().open == 0);
  server.kill();
  CHECK(pooled.ask(Command{"PING"}, in(1s)).has_error());
  server.restart();
  CHECK(pooled.pool.open_apart(in(1s)).has_error());
}
