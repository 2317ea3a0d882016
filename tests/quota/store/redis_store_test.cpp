#include "quota/store/redis_store.hpp"

#include <random>

#include "tests/quota/store/contract_ledger.hpp"
#include "tests/quota/store/redis_fixture.hpp"
#include "tests/quota/store/trace.hpp"

namespace quota::test {

STORE_CONTRACT(RedisFixture);

TEST_CASE("redis answers any random trace as the plain arithmetic does") {
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    RedisFixture fixture;
    CHECK(first_difference(fixture, seed, 250) == "");
  }
}

TEST_CASE("a server that has lost its scripts is told them again, and nothing is charged twice") {
  RedisFixture fixture;
  const auto limit = messages(10, 1h, 10);
  for (int sent = 1; sent <= 10; ++sent) {
    RedisFixture::server().ask("SCRIPT FLUSH");
    CHECK(take(fixture, {charge(user("alice"), limit, 1)}).enforced_taken);
  }
  CHECK_FALSE(take(fixture, {charge(user("alice"), limit, 1)}).enforced_taken);
}

TEST_CASE("a record that is no hash is an error, never a full bucket") {
  RedisFixture fixture;
  RedisFixture::server().ask("SET sendquota:{user:alice@example.com} 1");
  const auto outcome = fixture.store().take(std::vector{charge(user("alice"), messages(10, 1h, 10), 1)});
  REQUIRE_FALSE(outcome.has_value());
  CHECK(outcome.error().kind == StoreErrorKind::misconfigured);
}

TEST_CASE("a bucket that was written by hand at the beginning of time is full, and gives no more than that") {
  RedisFixture fixture;
  RedisFixture::server().ask("HSET sendquota:{user:alice@example.com} \"mailbox messages/1h\" \"10/10 0 10 0\"");
  int accepted = 0;
  for (int sent = 0; sent < 15; ++sent) accepted += take(fixture, {charge(user("alice"), messages(10, 1h, 10), 1)}).enforced_taken ? 1 : 0;
  CHECK(accepted == 10);
}

TEST_CASE("a record that is no hash takes nobody else's refusals with it") {
  RedisFixture fixture;
  RedisFixture::server().ask("SET sendquota:{user:bob@example.com} 1");
  std::vector<RefusalBatch> batches;
  for (int i = 0; i < 250; ++i) batches.push_back({user("u" + std::to_string(i)), "mailbox", 10min, 1});
  batches[120].identity = user("bob");
  const auto counts = fixture.ledger().count_refusals(batches);
  REQUIRE(counts.size() == 250);
  for (std::size_t i = 0; i < counts.size(); ++i) {
    CAPTURE(i);
    if (i == 120)
      CHECK(counts[i].error().kind == StoreErrorKind::misconfigured);
    else
      CHECK(answered(counts[i]) == 1);
  }
  CHECK(counts[120].error().executed == Executed::no);
}

TEST_CASE("a key in Redis is named as the documentation says") {
  RedisFixture fixture;
  REQUIRE(take(fixture, {charge(user("alice"), messages(250, 15min, 250), 33)}).enforced_taken);
  const auto reply = RedisFixture::server().ask("HGETALL sendquota:{user:alice@example.com}");
  CHECK(reply.find("mailbox messages/15m") != std::string::npos);
  CHECK(reply.find("33/250 0 250 1763790000000") != std::string::npos);
}

TEST_CASE("a record's end is told anew in time, however it is used, and seldom where it is used often") {
  struct Row {
    Limit limit;
    std::int64_t longest_pause_s;
    int most_told_of_1000;
  } const rows[] = {
      {messages(250, 15min, 100), 1, 40},   {messages(250, 15min, 100), 600, 1000}, {messages(10, 1h, 10), 2000, 1000}, {messages(2000, 24h, 2000), 60, 400},
      {messages(2000, 24h, 2000), 1, 400}, {messages(1, 720h, 1'000'000), 1, 1000}, {messages(3, 1h, 1), 300, 1000},   {messages(1'000'000, 24h, 1'000'000), 1, 40},
  };
  std::minstd_rand random(20261123);
  for (const auto& row : rows) {
    CAPTURE(format(row.limit));
    CAPTURE(row.longest_pause_s);
    RedisFixture fixture;
    auto& server = RedisFixture::server();
    const std::string key = "sendquota:{user:alice@example.com}";
    const auto left = [&]() -> std::int64_t { return std::stoll(server.ask("PTTL " + key).substr(1)); };
    auto now = start;
    std::int64_t kept = 0;  // by the fixture's clock: the server's own hardly moves
    int told = 0;
    for (int sent = 0; sent < 1000; ++sent) {
      const auto pause = std::uniform_int_distribution<std::int64_t>(0, 2 * row.longest_pause_s * 500)(random);
      now += Milliseconds{pause};
      kept -= pause;
      if (kept <= 0)
        server.ask("DEL " + key);
      else
        server.ask("PEXPIRE " + key + " " + std::to_string(kept));
      fixture.set_now(now);
      if (!take(fixture, {charge(user("alice"), row.limit, 1)}).enforced_taken) continue;
      const auto after = left();
      if (after > kept) ++told;
      kept = std::max(after, kept);
      const auto bucket = parse_bucket(bucket_text(fixture, user("alice"), row.limit), row.limit.period);
      REQUIRE(bucket.has_value());
      REQUIRE(kept >= full_after(row.limit, *bucket).count());
    }
    CHECK(told <= row.most_told_of_1000);
  }
}

TEST_CASE("a change of a table made with redis-cli ends the wait at once") {
  RedisFixture fixture;
  RedisLedger told(fixture.context(), {.tables = {.poll_every = 1h}});  // only Redis' word ends its wait in time
  REQUIRE(told.tables().has_value());
  RedisFixture::server().ask("HSET sendquota:blocked user:alice@example.com stolen");
  const auto begun = std::chrono::steady_clock::now();
  told.wait_for_change(10s);
  CHECK(std::chrono::steady_clock::now() - begun < 300ms);
  const auto tables = answered(told.tables());
  CHECK(tables.blocked == TableText{{"user:alice@example.com", "stolen"}});
}

TEST_CASE("only a table that may have changed is read anew") {
  struct Row {
    std::string what;
    std::vector<std::string> commands;
    int scans;
  };
  const std::vector<Row> rows = {
      {"nothing happened", {}, 0},
      {"a record changed", {"HSET sendquota:{user:bob@example.com} block 17"}, 0},
      {"a block", {"HSET sendquota:blocked user:alice@example.com stolen"}, 1},
      {"a block and a live limit", {"HDEL sendquota:blocked user:alice@example.com", "HSET sendquota:override user:alice@example.com unlimited"}, 2},
      {"a table that was not there", {"HSET sendquota:account uid:mx1/1000 acme"}, 1},
      {"a table is gone", {"DEL sendquota:override"}, 1},
      {"all is gone", {"FLUSHALL"}, 3},
  };
  RedisFixture fixture;
  RedisLedger told(fixture.context(), {.tables = {.reread_every = 1h, .poll_every = 1h}});
  RedisLedger reads_all(fixture.context(), {.tables = {.reread_every = 0ms, .poll_every = 1h}});
  const auto scans = [] {
    const auto stats = RedisFixture::server().ask("INFO commandstats");
    const auto at = stats.find("cmdstat_hscan:calls=");
    return at == std::string::npos ? 0 : std::stoi(stats.substr(at + std::string_view("cmdstat_hscan:calls=").size()));
  };
  (void)answered(told.tables());
  for (const auto& row : rows) {
    CAPTURE(row.what);
    for (const auto& command : row.commands) RedisFixture::server().ask(command);
    const auto before = scans();
    const auto tables = answered(told.tables());
    CHECK(scans() - before == row.scans);
    const auto all = answered(reads_all.tables());
    CHECK(tables.blocked == all.blocked);
    CHECK(tables.overrides == all.overrides);
    CHECK(tables.accounts == all.accounts);
  }
  SUBCASE("all of them for whoever wakes: he may know of a change before it is announced") {
    told.wake();
    const auto before = scans();
    told.wait_for_change(10s);
    (void)answered(told.tables());
    CHECK(scans() - before == 3);
  }
}

TEST_CASE("the clock is that of the server which holds the tables, whoever else answers") {
  RedisFixture fixture;
  fixture.context().set_clock({});
  const auto is_at = [&](Timestamp moment) { return fixture.store().now() - moment < 10s && moment - fixture.store().now() < 10s; };
  const auto ask_the_other = [&] { REQUIRE(take(fixture, {charge(user("alice"), messages(10, 1h, 10), 1)}).enforced_taken); };
  const auto real = std::chrono::floor<Milliseconds>(std::chrono::system_clock::now());
  fixture.context().guess(real + 3h);
  CHECK(is_at(real + 3h));
  ask_the_other();
  CHECK(is_at(real));  // the only one that is known
  for (const auto ahead : {-1h, 1h}) {
    fixture.context().learn(real + ahead);
    ask_the_other();
    CHECK(is_at(real + ahead));
    const auto before = fixture.spread().steady_now();
    ask_the_other();
    CHECK(fixture.spread().steady_now() - before < 10s);
  }
}

TEST_CASE("a restarted server is another history") {
  RedisFixture fixture;
  const auto before = answered(fixture.ledger().tables()).history;
  CHECK(answered(fixture.ledger().tables()).history == before);
  RedisFixture::server().restart();
  auto after = fixture.ledger().tables();
  for (int tries = 0; !after && tries < 100; ++tries) after = fixture.ledger().tables();
  REQUIRE(after.has_value());
  CHECK(after->history != before);
}

}  // namespace quota::test
