// Live tables of a size that a large site has: how long Redis is held up by their being read, and how soon a change is obeyed.
#include <doctest/doctest.h>

#include "quota/store/keeper.hpp"
#include "quota/store/random_id.hpp"
#include "quota/store/redis_ledger.hpp"
#include "tests/quota/store/topology_rig.hpp"
#include "tests/support/redis_server.hpp"

namespace quota::test {
namespace {

using ::test::RedisServer;

constexpr int entries = 100'000;

/// One daemon's eyes.
struct Eyes {
  explicit Eyes(const std::string& url, int number)
      : topology(*RedisAddress::parse(url), resolver, {.timeout = 2s}),
        context(topology, {.timeout = 2s}),
        ledger(context),
        keeper(ledger, {.host = "mx" + std::to_string(number), .means = {random_id, [](const std::string&) { return 168h; }}}) {}

  [[nodiscard]] bool blocks(const std::string& identity) const { return keeper.tables()->blocked().contains(identity); }

  Resolver resolver;
  RedisTopology topology;
  RedisContext context;
  RedisLedger ledger;
  Keeper keeper;
};

/// The longest that any command took since the log was begun, in ms.
double longest_command_ms(TopologyRig& rig) {
  const auto log = rig.topology.ask("log", {"SLOWLOG", "GET", "10000"}, Clock::now() + 5s, {std::size_t{64} << 20, 10'000'000});
  REQUIRE(log.has_value());
  std::int64_t longest = 0;  // each entry is its id, when it was, how long it took in microseconds, …
  for (std::size_t i = 0; i < log->size(); ++i) longest = std::max(longest, (*log)[i][2].integer().value_or(0));
  return static_cast<double>(longest) / 1000;
}

void fill(TopologyRig& rig, const std::string& table, const std::string& suffix, const std::string& text) {
  static const RedisScript script("for i = ARGV[1], ARGV[1] + 999 do redis.call('HSET', KEYS[1], 'user:u' .. i .. '@example.com' .. ARGV[2], ARGV[3]) end return 1");
  const std::string_view keys[] = {table};
  for (int i = 0; i < entries; i += 1000) {
    const auto from = std::to_string(i);
    const std::string_view arguments[] = {from, suffix, text};
    REQUIRE(rig.topology.eval(script, keys, arguments, Clock::now() + 5s).has_value());
  }
}

}  // namespace

TEST_CASE("with 100,000 blocks, and with as many live limits, Redis is not held up and a change is obeyed within a second") {
  RedisServer server({"slowlog-max-len 10000"});
  TopologyRig rig(server.unix_url(), 5s);
  SUBCASE("blocks") { fill(rig, "sendquota:blocked", "", "id=0123456789ab since=2026-11-22T05:00:00Z by hand, for a test"); }
  SUBCASE("live limits") { fill(rig, "sendquota:override", " mailbox", "5000 messages / 1d since=2026-11-22T05:00:00Z by=root"); }
  std::vector<std::unique_ptr<Eyes>> daemons;
  for (int i = 0; i < 2; ++i) daemons.push_back(std::make_unique<Eyes>(server.unix_url(), i));
  for (const auto& daemon : daemons) REQUIRE(daemon->keeper.first_read(60s));
  const auto are_settled = [&] { return std::all_of(daemons.begin(), daemons.end(), [](const auto& one) { return one->keeper.is_settled(); }); };
  REQUIRE(comes_true(are_settled, 120s));
  server.ask("CONFIG SET slowlog-log-slower-than 200");
  server.ask("SLOWLOG RESET");
  int longest = 0;
  for (int round = 0; round < 10; ++round) {
    const auto name = "user:new" + std::to_string(round) + "@example.com";
    server.ask("HSET sendquota:blocked " + name + " stolen");
    const auto begun = Clock::now();
    REQUIRE(comes_true([&] { return std::all_of(daemons.begin(), daemons.end(), [&](const auto& one) { return one->blocks(name); }); }, 60s));
    longest = std::max(longest, milliseconds_since(begun));
    std::this_thread::sleep_for(std::chrono::milliseconds{137 * (round % 5)});
  }
  const auto stall = longest_command_ms(rig);
  MESSAGE(entries << " entries, 2 daemons: obeyed within " << longest << " ms at the latest of 10 times; Redis' longest command " << stall << " ms");
  // Goals, and no more than that: this machine is busy with other tests.
  WARN(stall < 5);
  WARN(longest < 1000);
}

}  // namespace quota::test
