// Tables as large as they are meant to be, on a real Redis: what they cost, and how soon a change is obeyed.
#include <doctest/doctest.h>

#include <algorithm>
#include <ctime>
#include <fstream>

#include "quota/store/keeper.hpp"
#include "quota/store/random_id.hpp"
#include "quota/store/redis_ledger.hpp"
#include "tests/support/redis_server.hpp"
#include "tests/support/scripted_ledger.hpp"
#include "tests/support/temporary_folder.hpp"

namespace quota {
namespace {

using namespace std::chrono_literals;

constexpr int many = 100'000;
const std::string alice = "user:alice@example.com";

struct Daemon {
  Daemon(const test::RedisServer& server, const std::string& host, const std::filesystem::path& folder)
      : topology(*RedisAddress::parse(server.unix_url()), resolver, {.timeout = 2s}),
        context(topology, {.timeout = 2s}),
        ledger(context, {.tables = {.read_timeout = 60s}}),  // for slow builds
        keeper(ledger, {.host = host, .means = {random_id, [](const std::string&) { return 168h; }}, .known_blocks = folder / "known-blocks"}) {}

  [[nodiscard]] bool blocks() const { return keeper.tables()->blocked.contains(alice); }
  RedisReply redis_cli(const Command& command) {
    auto reply = topology.ask("sendquota:blocked", command, std::chrono::steady_clock::now() + 10s);
    REQUIRE(reply.has_value());
    return std::move(*reply);
  }

  Resolver resolver;
  RedisTopology topology;
  RedisContext context;
  RedisLedger ledger;
  Keeper keeper;
};

/// As many blocks and live limits as a table is meant to hold, each as a daemon leaves it.
void fill(Daemon& daemon) {
  constexpr int at_once = 5'000;  // a script that runs for long would be a stall of our own making
  for (int from = 1; from <= many; from += at_once)
    daemon.redis_cli({"EVAL",
                      "for i = tonumber(ARGV[1]), tonumber(ARGV[2]) do local id = 'user:u' .. i .. '@example.com' "
                      "redis.call('HSET', KEYS[1], id, 'id=b' .. i .. ' since=2026-11-22T05:00:00Z until=2099-01-01T00:00:00Z action=tempfail "
                      "quota=mailbox step=1 300 refusals in 10m') "
                      "redis.call('HSET', KEYS[2], id .. ' mailbox', '5000 messages / 1d since=2026-11-22T05:00:00Z') "
                      "redis.call('HSET', 'sendquota:{' .. id .. '}', 'block', 'b' .. i) end",
                      "2", "sendquota:blocked", "sendquota:override", std::to_string(from), std::to_string(from + at_once - 1)});
  daemon.redis_cli({"SLOWLOG", "RESET"});
}

std::size_t resident_megabytes() {
  std::ifstream statm("/proc/self/statm");
  std::size_t size = 0, resident = 0;
  statm >> size >> resident;
  return resident * 4 / 1024;
}

struct Stopwatch {
  std::chrono::steady_clock::time_point began = std::chrono::steady_clock::now();
  std::clock_t cpu_began = std::clock();
  [[nodiscard]] std::int64_t wall() const { return std::chrono::duration_cast<Milliseconds>(std::chrono::steady_clock::now() - began).count(); }
  [[nodiscard]] std::int64_t cpu() const { return (std::clock() - cpu_began) * 1000 / CLOCKS_PER_SEC; }
};

/// How long it takes until a block made by hand holds, and one released does no more; the longest of some.
std::int64_t slowest_change(Daemon& daemon) {
  std::int64_t slowest = 0;
  for (int i = 0; i < 5; ++i) {
    for (const bool blocks : {true, false}) {
      const Stopwatch watch;
      (void)daemon.redis_cli(blocks ? Command{"HSET", "sendquota:blocked", alice, "stolen"} : Command{"HDEL", "sendquota:blocked", alice});
      REQUIRE(eventually([&] { return daemon.blocks() == blocks; }, 30s));
      slowest = std::max(slowest, watch.wall());
      std::this_thread::sleep_for(Milliseconds{137 * i});  // not in step with the keeper's pauses
    }
  }
  return slowest;
}

/// The longest that Redis was held up by one command, in microseconds.
std::int64_t longest_stall(Daemon& daemon) {
  std::int64_t longest = 0;
  const auto log = daemon.redis_cli({"SLOWLOG", "GET", "100"});
  for (std::size_t i = 0; i < log.size(); ++i) longest = std::max(longest, log[i][2].integer().value_or(0));
  return longest;
}

}  // namespace

TEST_CASE("100,000 blocks and as many live limits: what they cost, and how soon a change is obeyed") {
  const test::RedisServer server({"slowlog-log-slower-than 100", "slowlog-max-len 1000"});
  const test::TemporaryFolder folder, other;
  {
    Daemon maker(server, "mx0", other.path());
    REQUIRE(maker.keeper.first_read(5s));
    fill(maker);
  }
  const auto empty = resident_megabytes();
  for (const char* start : {"first start", "start that recalls"}) {
    const Stopwatch watch;
    Daemon daemon(server, "mx1", folder.path());
    REQUIRE(daemon.keeper.first_read(60s));
    const auto read_wall = watch.wall(), read_cpu = watch.cpu();
    CHECK(daemon.keeper.tables()->blocked.size() == many);
    CHECK(daemon.keeper.tables()->overrides.size() == many);
    const auto slowest_meanwhile = slowest_change(daemon);
    REQUIRE(eventually([&] { return daemon.keeper.is_settled(); }, 600s));
    const auto settled_wall = watch.wall(), settled_cpu = watch.cpu();
    const auto slowest = slowest_change(daemon);
    REQUIRE(eventually([&] { return daemon.keeper.is_settled(); }, 60s));
    const auto readings = daemon.keeper.readings();
    const Stopwatch one;
    daemon.keeper.wake();
    REQUIRE(eventually([&] { return daemon.keeper.readings() > readings; }, 30s));
    MESSAGE(start << ": read after " << read_wall << " ms (" << read_cpu << " ms of a processor), settled after " << settled_wall << " ms (" << settled_cpu
                  << "); a change is obeyed after at most " << slowest_meanwhile << " ms meanwhile, " << slowest << " ms then; reading again without a change "
                  << one.cpu() << " ms of a processor; " << resident_megabytes() - empty << " MB; longest stall of Redis " << longest_stall(daemon) << " us");
  }
}

}  // namespace quota
