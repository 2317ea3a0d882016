// The contract of a store over TLS, with certificates on both sides, on each topology.
#include "tests/quota/store/contract_ledger.hpp"
#include "tests/quota/store/redis_fixture.hpp"
#include "tests/quota/store/topology_rig.hpp"
#include "tests/quota/store/trace.hpp"
#include "tests/support/certificates.hpp"

namespace quota::test {
namespace {

::test::Certificates& authority() {
  static ::test::Certificates one;
  return one;
}

// Who connects to them must have a certificate too, they themselves included.
std::vector<std::string> server_lines() {
  static const auto own = authority().issue("DNS:localhost,IP:127.0.0.1");
  return {"tls-cert-file " + own.cert, "tls-key-file " + own.key, "tls-ca-cert-file " + authority().ca(),
          "tls-auth-clients yes",      "tls-replication yes",     "tls-cluster yes"};
}

std::shared_ptr<const TlsContext> our_context() {
  static const auto ours = authority().issue("DNS:mail.example.test");
  static const auto one = *TlsContext::open({authority().ca(), ours.cert, ours.key});
  return one;
}

struct TlsServer {
  ::test::RedisServer server{server_lines(), ::test::RedisServer::Listen::unix_and_tls};
  [[nodiscard]] std::string url() const { return server.tls_url(); }
  [[nodiscard]] static std::shared_ptr<const TlsContext> tls() { return our_context(); }
  void clear() { (void)server.ask("FLUSHALL"); }
};

struct TlsSentinels {
  ::test::RedisSentinels servers{{}, server_lines()};
  [[nodiscard]] std::string url() const { return servers.url(); }
  [[nodiscard]] static std::shared_ptr<const TlsContext> tls() { return our_context(); }
  void clear() { (void)servers.data(servers.master()).ask("FLUSHALL"); }
};

struct TlsCluster {
  ::test::RedisCluster servers{
      ::test::RedisCluster::Replicas::one_each, {::test::RedisCluster::steady}, server_lines()};
  [[nodiscard]] std::string url() const { return servers.url(); }
  [[nodiscard]] static std::shared_ptr<const TlsContext> tls() { return our_context(); }
  void clear() { servers.clear(); }
};

using TlsFixture = RedisFixtureOn<TlsServer>;
using TlsSentinelFixture = RedisFixtureOn<TlsSentinels>;
using TlsClusterFixture = RedisFixtureOn<TlsCluster>;

}  // namespace

STORE_CONTRACT(TlsFixture);
STORE_CONTRACT(TlsSentinelFixture);
STORE_CONTRACT(TlsClusterFixture);

TEST_CASE_TEMPLATE("redis over TLS answers any random trace as the plain arithmetic does", Fixture, TlsFixture,
                   TlsSentinelFixture, TlsClusterFixture) {
  Fixture fixture;
  CHECK(first_difference(fixture, 1, 250) == "");
}

TEST_CASE("a change of a table made with redis-cli ends the wait over TLS at once") {
  TlsFixture fixture;
  REQUIRE(fixture.ledger().tables().has_value());
  TlsFixture::server().ask("HSET sendquota:blocked user:alice@example.com stolen");
  const auto begun = std::chrono::steady_clock::now();
  fixture.ledger().wait_for_change(10s);
  CHECK(std::chrono::steady_clock::now() - begun < 5s);
}

TEST_CASE("connections over TLS that the server closed while they were kept are replaced unnoticed") {
  TlsFixture fixture;
  const auto limit = messages(100, 1h, 100);
  for (int round = 1; round <= 20; ++round) {
    REQUIRE(take(fixture, {charge(user("alice"), limit, 1)}).enforced_taken);
    TlsFixture::server().ask("CLIENT KILL TYPE normal");
  }
  CHECK_FALSE(take(fixture, {charge(user("alice"), limit, 81)}).enforced_taken);
  CHECK(take(fixture, {charge(user("alice"), limit, 80)}).enforced_taken);
}

TEST_CASE(
    "over TLS a question follows its key to another node of a cluster, in the midst of a migration and after it") {
  TlsClusterFixture fixture;
  auto& cluster = TlsClusterFixture::site().servers;
  const auto limit = messages(100, 1h, 100);
  const auto alice = charge(user("alice"), limit, 1);
  const auto reply = cluster.node(0).ask("CLUSTER KEYSLOT sendquota:{user:alice@example.com}");
  const auto slot = static_cast<unsigned>(std::stoul(reply.substr(1)));
  const auto from = ::test::RedisCluster::first_holder(slot);
  const auto to = (from + 1) % 3;
  REQUIRE(take(fixture, {alice}).enforced_taken);
  cluster.begin_migration(slot, from, to);
  CHECK(take(fixture, {alice}).enforced_taken);
  cluster.migrate_keys(slot, from, to);
  CHECK(take(fixture, {alice}).enforced_taken);
  cluster.end_migration(slot, from, to);
  CHECK(take(fixture, {alice}).enforced_taken);
  CHECK_FALSE(take(fixture, {charge(user("alice"), limit, 97)}).enforced_taken);
  CHECK(take(fixture, {charge(user("alice"), limit, 96)}).enforced_taken);
}

}  // namespace quota::test
