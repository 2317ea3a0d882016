// Four daemons before a real Redis that is stopped, killed, and returns: what they let through, how long it took, and when the store
// judges again.
#include "quota/store/guarded_store.hpp"
#include "quota/store/redis_store.hpp"
#include "tests/quota/store/contract.hpp"
#include "tests/quota/store/topology_rig.hpp"
#include "tests/support/redis_server.hpp"

namespace quota::test {
namespace {

using ::test::RedisServer;

constexpr std::size_t daemon_count = 4;
constexpr auto timeout = 100ms;

GuardOptions shared_by_all() {
  GuardOptions options;
  options.nodes = daemon_count;
  return options;
}

struct Daemon {
  explicit Daemon(const std::string& url) : rig(url, timeout) { REQUIRE(rig.is_well); }
  TopologyRig rig;
  RedisContext context{rig.topology, {"sendquota", Milliseconds{timeout}}};
  RedisStore redis{context};
  GuardedStore store{redis, shared_by_all(), 7};
};

/// What came of messages, from many threads.
struct Tally {
  std::atomic<int> accepted{0};
  std::atomic<int> refused{0};
  std::atomic<int> by_share{0};
  std::atomic<int> longest_ms{0};

  void send(Daemon& daemon, const Charge& one) {
    const auto begun = Clock::now();
    const auto outcome = answered(daemon.store.take(std::vector{one}));
    const auto took = milliseconds_since(begun);
    for (auto longest = longest_ms.load(); took > longest && !longest_ms.compare_exchange_weak(longest, took);) {
    }
    ++(outcome.enforced_taken ? accepted : refused);
    if (!outcome.outage.empty()) ++by_share;
  }
};

struct Field {
  explicit Field(const RedisServer& server) {
    while (daemons.size() < daemon_count) daemons.push_back(std::make_unique<Daemon>(server.unix_url()));
  }
  std::vector<std::unique_ptr<Daemon>> daemons{};

  template <class Do>
  void at_once(Do each) {
    std::vector<std::jthread> threads;
    for (auto& daemon : daemons) threads.emplace_back([&daemon, &each] { each(*daemon); });
  }
};

const Limit hundred = messages(100, 24h, 100);

}  // namespace

TEST_CASE("while Redis is stopped or dead the daemons give no more than the limit together, and within a second of its return it judges again") {
  struct {
    std::string what;
    std::function<void(RedisServer&)> fail;
    std::function<void(RedisServer&)> heal;
  } const rows[] = {
      {"stopped", [](RedisServer& server) { server.stop(); }, [](RedisServer& server) { server.cont(); }},
      {"killed", [](RedisServer& server) { server.kill(); }, [](RedisServer& server) { server.restart(); }},
  };
  for (const auto& row : rows) {
    CAPTURE(row.what);
    RedisServer server({"appendonly yes", "appendfsync always"});
    Field field(server);
    const auto known = charge(user("known"), hundred, 1);
    const auto unknown = charge(user("unknown"), hundred, 1);
    const auto honest = [](int i) { return charge(user("honest" + std::to_string(i)), hundred, 1); };
    Tally to_known, to_unknown, to_honest;

    field.at_once([&](Daemon& daemon) {
      for (int i = 0; i < 10; ++i) to_known.send(daemon, known);
    });
    for (auto& daemon : field.daemons) REQUIRE(used_units(answered(daemon->store.peek(std::vector{known})).charges[0].bucket) == 40);
    row.fail(server);
    field.at_once([&](Daemon& daemon) {
      for (int i = 0; i < 60; ++i) to_known.send(daemon, known), to_unknown.send(daemon, unknown);
      for (int i = 0; i < 10 * 50; ++i) to_honest.send(daemon, honest(i % 50));
    });
    CHECK(to_known.accepted.load() == 100);
    CHECK(to_unknown.accepted.load() == 100);

    row.heal(server);
    const auto returned = Clock::now();
    std::atomic<int> last_back_ms{0};
    field.at_once([&](Daemon& daemon) {
      const auto is_back = [&] {
        to_unknown.send(daemon, unknown);
        to_known.send(daemon, known);
        return answered(daemon.store.peek(std::vector{known})).outage.empty();
      };
      CHECK(comes_true(is_back));
      const auto took = milliseconds_since(returned);
      for (auto last = last_back_ms.load(); took > last && !last_back_ms.compare_exchange_weak(last, took);) {
      }
    });
    WARN(last_back_ms.load() <= 1'000);
    field.at_once([&](Daemon& daemon) {
      CHECK(comes_true([&] { return daemon.store.shares() == 0; }));
      for (int i = 0; i < 100; ++i) to_known.send(daemon, known), to_unknown.send(daemon, unknown);
      for (int i = 0; i < 50; ++i) to_honest.send(daemon, honest(i));
    });
    CHECK(to_known.accepted.load() == 100);
    CHECK(to_unknown.accepted.load() <= 102);  // who settled first may have had what the others gave in that moment
    CHECK(to_honest.refused.load() == 0);
    const auto longest = std::max({to_known.longest_ms.load(), to_unknown.longest_ms.load(), to_honest.longest_ms.load()});
    WARN(longest <= 150);
    MESSAGE("Redis " << row.what << ": over the limit by " << to_known.accepted - 100 << " where the level was known, by "
                     << to_unknown.accepted - 100 << " where it was not; refused of " << to_honest.accepted.load() << " at 40 % of their share: "
                     << to_honest.refused.load() << "; longest answer " << longest << " ms; judged by Redis again after " << last_back_ms.load()
                     << " ms; judged by shares " << to_known.by_share + to_unknown.by_share + to_honest.by_share);
  }
}

TEST_CASE("a Redis that hangs costs each daemon one deadline, not one a message") {
  RedisServer server;
  Field field(server);
  server.stop();
  Tally tally;
  const auto begun = Clock::now();
  field.at_once([&](Daemon& daemon) {
    for (int i = 0; i < 500; ++i) tally.send(daemon, charge(user(std::to_string(i)), hundred, 1));
  });
  const auto took = milliseconds_since(begun);
  CHECK(tally.accepted.load() == 2'000);
  WARN(took <= 1'000);
  MESSAGE("2,000 messages of 500 senders on 4 daemons before a Redis that hangs: " << took << " ms in all");
}

}  // namespace quota::test
