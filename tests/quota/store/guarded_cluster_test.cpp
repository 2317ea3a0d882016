// Four daemons before a real Redis Cluster of three masters without replicas: one master hangs, the one that has everybody's record.
#include "quota/store/redis_store.hpp"
#include "quota/store/guarded_store.hpp"
#include "tests/quota/store/contract.hpp"
#include "tests/quota/store/topology_rig.hpp"
#include "tests/support/redis_cluster.hpp"

namespace quota::test {
namespace {

using ::test::RedisCluster;

constexpr std::size_t daemon_count = 4;

GuardOptions shared_by_all() {
  GuardOptions options;
  options.nodes = daemon_count;
  return options;
}

struct Daemon {
  explicit Daemon(const std::string& url) : rig(url) { REQUIRE(rig.is_well); }
  TopologyRig rig;
  RedisContext context{rig.topology, {"sendquota", 100ms}};
  RedisStore redis{context};
  GuardedStore store{redis, shared_by_all(), 7};
};

std::size_t master_of(const Charge& one) { return RedisCluster::first_holder(slot_of("sendquota:{" + one.identity.text() + "}")); }

/// Somebody whose record is not where everybody's is.
Charge elsewhere(const Charge& everybody, const std::string& stem, const Limit& limit) {
  for (int i = 0;; ++i)
    if (auto one = charge(user(stem + std::to_string(i)), limit, 1); master_of(one) != master_of(everybody)) return one;
}

}  // namespace

TEST_CASE("with the master of everyone gone only that charge is judged by shares, and it is charged back to the message") {
  RedisCluster cluster(RedisCluster::Replicas::none, {"cluster-require-full-coverage no"});
  std::vector<std::unique_ptr<Daemon>> daemons;
  while (daemons.size() < daemon_count) daemons.push_back(std::make_unique<Daemon>(cluster.url()));
  const auto everybody = charge(everyone_identity(), messages(4'000, 240h, 4'000), 1);
  const auto alice = elsewhere(everybody, "alice", messages(100, 240h, 100));
  int accepted = 0, alices = 0, longest = 0;
  const auto send = [&](Daemon& daemon, const Charge& sender) {
    const auto begun = Clock::now();
    const auto outcome = answered(daemon.store.take(std::vector{sender, everybody}));
    longest = std::max(longest, milliseconds_since(begun));
    accepted += outcome.enforced_taken ? 1 : 0;
    if (sender == alice) alices += outcome.enforced_taken ? 1 : 0;
    return outcome;
  };
  for (auto& daemon : daemons)
    for (int i = 0; i < 5; ++i) CHECK(send(*daemon, alice).outage.empty());

  cluster.node(master_of(everybody)).stop();
  for (int i = 0; i < 100; ++i)
    for (auto& daemon : daemons) {
      const auto outcome = send(*daemon, alice);
      CHECK_FALSE(outcome.charges[0].is_from_share());
      CHECK(outcome.charges[1].is_from_share());
      (void)send(*daemon, elsewhere(everybody, "bob" + std::to_string(i) + "-", alice.limit));
    }
  CHECK(alices == 100);  // exactly, as ever: her record answers

  cluster.node(master_of(everybody)).cont();
  const auto returned = Clock::now();
  for (auto& daemon : daemons) CHECK(comes_true([&] { return daemon->store.shares() == 0; }, 5s));
  const auto back = milliseconds_since(returned);
  const auto outcome = send(*daemons[0], elsewhere(everybody, "carol", alice.limit));
  CHECK(outcome.outage.empty());
  CHECK(used_units(outcome.charges[1].bucket) == accepted - 1);
  WARN(longest <= 150);
  MESSAGE("accepted " << accepted << ", everyone's record holds " << used_units(outcome.charges[1].bucket) + 1 << "; longest answer " << longest
                      << " ms; judged by the Cluster again after " << back << " ms");
}

}  // namespace quota::test
