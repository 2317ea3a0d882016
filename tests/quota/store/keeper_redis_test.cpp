// The redis-cli handles on a real Redis, with as many daemons as a cluster may have.
#include <doctest/doctest.h>

#include <algorithm>
#include <memory>

#include "quota/store/handles.hpp"
#include "quota/store/keeper.hpp"
#include "quota/store/random_id.hpp"
#include "quota/store/redis_ledger.hpp"
#include "tests/support/redis_server.hpp"
#include "tests/support/scripted_ledger.hpp"

namespace quota {
namespace {

using namespace std::chrono_literals;

const std::string alice = "user:alice@example.com";
const Identity alice_identity{Kind::user, "alice@example.com"};
const Limit per_month = *Limit::make(Unit::messages, 250, std::chrono::days{30}, std::nullopt);

/// What one daemon has of the store.
struct Daemon {
  Daemon(const test::RedisServer& server, const std::string& host)
      : topology(*RedisAddress::parse(server.unix_url()), resolver, {.timeout = 2s}),
        context(topology, {.timeout = 2s}),
        ledger(context, {.tables = {.poll_every = 1h}}),  // what is obeyed in time, Redis told of
        store(context),
        keeper(ledger, {.host = host, .means = {random_id, [](const std::string&) { return 168h; }}}) {}

  [[nodiscard]] bool blocks() const { return keeper.tables()->blocked().contains(alice); }
  void redis_cli(const Command& command) {
    REQUIRE(topology.ask(command[1], command, std::chrono::steady_clock::now() + 2s).has_value());
  }
  [[nodiscard]] std::string blocked_text() {
    const auto reply = topology.ask("sendquota:blocked", Command{"HGET", "sendquota:blocked", alice}, std::chrono::steady_clock::now() + 2s);
    return reply ? std::string(reply->text().value_or("")) : "no answer";
  }
  [[nodiscard]] std::size_t count_events(const std::string& what) {
    const auto events = ledger.events({.count = 1000});
    REQUIRE(events.has_value());
    return static_cast<std::size_t>(
        std::count_if(events->begin(), events->end(), [&](const PastEvent& one) { return one.event.what == what; }));
  }
  [[nodiscard]] std::int64_t used() {
    const auto record = ledger.record(alice_identity);
    REQUIRE(record.has_value());
    const auto found = record->buckets.find(bucket_field("mailbox", per_month));
    return found == record->buckets.end() ? 0 : found->second.used;
  }
  void send(std::int64_t messages) {
    const Charge charge{.identity = alice_identity, .quota = "mailbox", .limit = per_month, .cost = messages};
    REQUIRE(store.take(std::span(&charge, 1)).has_value());
  }

  Resolver resolver;
  RedisTopology topology;
  RedisContext context;
  RedisLedger ledger;
  RedisStore store;
  Keeper keeper;
};

struct Cluster {
  explicit Cluster(std::size_t daemons) {
    for (std::size_t i = 0; i < daemons; ++i) all.push_back(std::make_unique<Daemon>(server, "mx" + std::to_string(i)));
    for (const auto& daemon : all) REQUIRE(daemon->keeper.first_read(5s));
    REQUIRE(eventually([&] { return server.ask("HEXISTS sendquota:blocked epoch").find('1') != std::string::npos; }));
  }
  [[nodiscard]] bool all_block() const {
    return std::all_of(all.begin(), all.end(), [](const auto& daemon) { return daemon->blocks(); });
  }
  [[nodiscard]] bool none_blocks() const {
    return std::none_of(all.begin(), all.end(), [](const auto& daemon) { return daemon->blocks(); });
  }

  test::RedisServer server{{"maxclients 500"}};
  std::vector<std::unique_ptr<Daemon>> all;
};

}  // namespace

TEST_CASE("an HSET blocks on 20 daemons within a second, and one HDEL releases with full buckets, logged once") {
  Cluster cluster(20);
  auto& one = *cluster.all.front();
  one.send(250);
  REQUIRE(one.used() == 250);
  one.redis_cli({"HSET", "sendquota:blocked", alice, "password stolen, ticket 4711"});
  REQUIRE(eventually([&] { return cluster.all_block(); }, 1s));
  REQUIRE(eventually([&] { return one.count_events("blocked") == 1; }, 1s));
  CHECK(one.blocked_text().starts_with("id="));
  CHECK(eventually([&] { return !one.ledger.record(alice_identity)->block.empty(); }));

  one.redis_cli({"HDEL", "sendquota:blocked", alice});
  CHECK(eventually([&] { return cluster.none_blocks() && one.used() == 0; }, 1s));
  one.send(1);  // whoever is late must not refill again
  CHECK(eventually([&] { return one.count_events("released") == 1; }));
  one.redis_cli({"HSET", "sendquota:account", alice, "acme"});  // seen by all: then all have seen the release as well
  REQUIRE(eventually([&] {
    return std::all_of(cluster.all.begin(), cluster.all.end(), [](const auto& daemon) {
      return daemon->keeper.tables()->accounts.find(alice_identity) != nullptr;
    });
  }));
  CHECK(one.used() == 1);
  CHECK(one.count_events("blocked") == 1);
  CHECK(one.count_events("released") == 1);
  CHECK(one.count_events("lost") == 0);
}

TEST_CASE("a block survives FLUSHALL and a server that comes back empty") {
  Cluster cluster(3);
  auto& one = *cluster.all.front();
  one.redis_cli({"HSET", "sendquota:blocked", alice, "password stolen"});
  REQUIRE(eventually([&] { return cluster.all_block() && one.blocked_text().starts_with("id="); }));
  // Each daemon must have seen it completed, or it would put back what was written by hand.
  const auto is_completed = [&](const auto& daemon) {
    const auto tables = daemon->keeper.tables();
    return tables->blocked().contains(alice) && !tables->blocked().find(alice)->id.empty();
  };
  REQUIRE(eventually([&] { return std::all_of(cluster.all.begin(), cluster.all.end(), is_completed); }));
  const auto text = one.blocked_text();

  one.redis_cli({"FLUSHALL", "SYNC"});
  CHECK(eventually([&] { return one.blocked_text() == text; }, 1s));
  CHECK(eventually([&] { return one.count_events("lost") == 1; }));
  cluster.server.kill();
  CHECK(cluster.all_block());
  cluster.server.restart();
  CHECK(eventually([&] { return one.blocked_text() == text; }, 10s));
  CHECK(cluster.all_block());
  CHECK(one.count_events("released") == 0);
}

TEST_CASE("a typing error is answered in the table within a second") {
  Cluster cluster(3);
  auto& one = *cluster.all.front();
  one.redis_cli({"HSET", "sendquota:blocked", alice, "until=tomorow stolen"});
  CHECK(eventually([&] { return is_error_text(one.blocked_text()); }, 1s));
  CHECK(eventually([&] { return cluster.all_block(); }, 1s));
  one.redis_cli({"HDEL", "sendquota:blocked", alice});
  CHECK(eventually([&] { return cluster.none_blocks() && one.count_events("released") == 1; }, 1s));
}

TEST_CASE("a block whose record was deleted by hand is released by HDEL, and that is told once") {
  Cluster cluster(5);
  auto& first = *cluster.all.front();
  first.redis_cli({"HSET", "sendquota:blocked", alice, "stolen"});
  REQUIRE(eventually([&] { return cluster.all_block(); }));
  REQUIRE(eventually([&] { return first.ledger.record(alice_identity)->block != ""; }));
  first.redis_cli({"DEL", "sendquota:{" + alice + "}"});
  first.redis_cli({"HDEL", "sendquota:blocked", alice});
  REQUIRE(eventually([&] { return cluster.none_blocks(); }));
  CHECK(eventually([&] { return first.count_events("released") == 1; }));
  for (const auto& daemon : cluster.all) daemon->keeper.stop();  // whatever each had to say is said
  CHECK(first.count_events("released") == 1);
}

TEST_CASE("DEL of a record refills a sender who is not blocked, and a release by command tells who and why") {
  Cluster cluster(3);
  auto& one = *cluster.all.front();
  one.send(200);
  one.redis_cli({"DEL", "sendquota:{user:alice@example.com}"});
  CHECK(one.used() == 0);

  Handles handles(one.ledger, "mx0", random_id);
  REQUIRE(handles.block(alice_identity, 1h, {"root", "ticket"}).has_value());
  REQUIRE(eventually([&] { return cluster.all_block(); }, 1s));
  one.send(200);
  REQUIRE(handles.release(alice_identity, {"root", "new password"}).has_value());
  CHECK(one.used() == 0);
  REQUIRE(eventually([&] { return cluster.none_blocks(); }, 1s));
  REQUIRE(one.count_events("released") == 1);
  const auto newest = one.ledger.events({.count = 1});
  CHECK(newest->at(0).event.by == "root");
  CHECK(newest->at(0).event.text == "new password");
}

}  // namespace quota
