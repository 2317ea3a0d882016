// The contract of a store, over TLS with certificates on both sides.
#include "tests/quota/store/contract_ledger.hpp"
#include "tests/quota/store/redis_fixture.hpp"
#include "tests/quota/store/trace.hpp"
#include "tests/support/certificates.hpp"

namespace quota::test {
namespace {

class TlsFixture final : public StoreFixture {
 public:
  TlsFixture() {
    REQUIRE(topology_.wait_for_first_look(std::chrono::steady_clock::now() + std::chrono::seconds{10}));
    server().ask("FLUSHALL");
    set_now(start);
  }

  [[nodiscard]] RedisStore& store() override { return store_; }
  [[nodiscard]] RedisLedger& ledger() override { return ledger_; }
  void set_now(Timestamp now) override { context_.set_clock(now); }
  void forget(const Identity& identity) override { REQUIRE(ledger_.refill(identity).has_value()); }
  [[nodiscard]] Milliseconds expiry_slack() const override { return std::chrono::seconds{10}; }

  static ::test::RedisServer& server() {
    static ::test::RedisServer instance({"tls-cert-file " + its().cert, "tls-key-file " + its().key,
                                         "tls-ca-cert-file " + authority().ca(), "tls-auth-clients yes"},
                                        ::test::RedisServer::Listen::unix_and_tls);
    return instance;
  }

 private:
  static ::test::Certificates& authority() {
    static ::test::Certificates one;
    return one;
  }
  static const ::test::Certificates::Pair& its() {
    static const auto pair = authority().issue("DNS:localhost,IP:127.0.0.1");
    return pair;
  }
  static std::shared_ptr<const TlsContext> context() {
    static const auto ours = authority().issue("DNS:mail.example.test");
    static const auto one = *TlsContext::open({authority().ca(), ours.cert, ours.key});
    return one;
  }

  Resolver resolver_;
  RedisTopology topology_{*RedisAddress::parse(server().tls_url()),
                          resolver_,
                          {.timeout = std::chrono::seconds{10}, .tls = context()}};
  RedisContext context_{topology_, {"sendquota", std::chrono::seconds{10}}};
  RedisStore store_{context_};
  RedisLedger ledger_{context_};
};

}  // namespace

STORE_CONTRACT(TlsFixture);

TEST_CASE("redis over TLS answers any random trace as the plain arithmetic does") {
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    TlsFixture fixture;
    CHECK(first_difference(fixture, seed, 250) == "");
  }
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

}  // namespace quota::test
