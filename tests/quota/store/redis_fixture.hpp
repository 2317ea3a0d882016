// RedisFixture: a RedisStore on real servers of some topology, with the clock of its scripts set by the test. One site serves
// a whole test program's run; each fixture begins with empty servers. Expiry follows Redis' own clock.
#pragma once

#include <doctest/doctest.h>

#include "quota/store/guarded_store.hpp"
#include "quota/store/redis_ledger.hpp"
#include "tests/quota/store/fixture.hpp"
#include "tests/support/redis_cluster.hpp"
#include "tests/support/redis_sentinels.hpp"
#include "tests/support/redis_server.hpp"

namespace quota::test {

struct OneServer {
  ::test::RedisServer server{};
  [[nodiscard]] std::string url() const { return server.unix_url(); }
  void clear() { (void)server.ask("FLUSHALL"); }
};

struct SentinelSite {
  ::test::RedisSentinels servers{};
  [[nodiscard]] std::string url() const { return servers.url(); }
  void clear() { (void)servers.data(servers.master()).ask("FLUSHALL"); }
};

struct ClusterSite {
  ::test::RedisCluster servers{::test::RedisCluster::Replicas::one_each, {::test::RedisCluster::steady}};
  [[nodiscard]] std::string url() const { return servers.url(); }
  void clear() { servers.clear(); }
};

/// What connections to a site must show and see; none: plain.
template <class Site>
std::shared_ptr<const TlsContext> tls_of(Site& site) {
  if constexpr (requires { site.tls(); })
    return site.tls();
  else
    return nullptr;
}

template <class Site>
class RedisFixtureOn final : public StoreFixture {
 public:
  RedisFixtureOn() {
    REQUIRE(topology_.wait_for_first_look(std::chrono::steady_clock::now() + std::chrono::seconds{10}));
    site().clear();
    set_now(start);
  }

  [[nodiscard]] Store& store() override { return store_; }
  [[nodiscard]] RedisStore& spread() { return spread_; }
  [[nodiscard]] RedisLedger& ledger() override { return ledger_; }
  [[nodiscard]] RedisContext& context() { return context_; }
  void set_now(Timestamp now) override { context_.set_clock(now); }
  void forget(const Identity& identity) override { REQUIRE(ledger_.refill(identity).has_value()); }
  [[nodiscard]] Milliseconds expiry_slack() const override { return std::chrono::seconds{10}; }
  [[nodiscard]] Milliseconds kept_longer(Milliseconds full) const override { return std::max<Milliseconds>(full / 8, std::chrono::minutes{2}); }

  [[nodiscard]] std::int64_t most_above(std::int64_t in_flight) const override { return is_cluster ? in_flight : 0; }

  [[nodiscard]] bool notes_time(std::span<const Charge> charges) const override { return !spread_.is_one_question(charges); }

  static Site& site() {
    static Site instance;
    return instance;
  }
  static ::test::RedisServer& server() { return site().server; }

 private:
  static constexpr bool is_cluster = requires(Site one) { one.servers.begin_migration(0U, 0U, 0U); };

  Resolver resolver_;
  // Tests run beside others: a slow machine is no slow store.
  RedisTopology topology_{*RedisAddress::parse(site().url()), resolver_, {.timeout = std::chrono::seconds{10}, .tls = tls_of(site())}};
  RedisContext context_{topology_, {"sendquota", std::chrono::seconds{10}}};
  RedisStore spread_{context_};
  // Without an answer a test has failed; nothing is to be charged back behind its back.
  GuardedStore store_{spread_, {.in_place = InPlaceOfStore::nobody, .charge_back_every = Milliseconds{0}}, 7};
  RedisLedger ledger_{context_};
};

using RedisFixture = RedisFixtureOn<OneServer>;
using SentinelFixture = RedisFixtureOn<SentinelSite>;
using ClusterFixture = RedisFixtureOn<ClusterSite>;

}  // namespace quota::test
