// The contract of a store under the access rules of conf/redis-users.acl.example, of which Redis refuses nothing.
#include <fstream>

#include "tests/quota/store/contract_ledger.hpp"
#include "tests/quota/store/redis_fixture.hpp"
#include "tests/quota/store/trace.hpp"

namespace quota::test {
namespace {

// The line that stands in the example for the daemons.
std::string daemons_line() {
  std::ifstream file(SENDQUOTA_SOURCE_DIR "/conf/redis-users.acl.example");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("user sendquotad ")) return line;
  FAIL("the example has no line for the daemons");
  return {};
}

class AclFixture final : public StoreFixture {
 public:
  AclFixture() {
    REQUIRE(topology_.wait_for_first_look(std::chrono::steady_clock::now() + std::chrono::seconds{10}));
    server().ask("FLUSHALL");
    server().ask("ACL LOG RESET");
    set_now(start);
  }
  // What Redis refused, whatever it was answered for.
  ~AclFixture() override { CHECK(server().ask("ACL LOG") == "*0\r\n"); }

  [[nodiscard]] RedisStore& store() override { return store_; }
  [[nodiscard]] RedisLedger& ledger() override { return ledger_; }
  void set_now(Timestamp now) override { context_.set_clock(now); }
  void forget(const Identity& identity) override { REQUIRE(ledger_.refill(identity).has_value()); }
  [[nodiscard]] Milliseconds expiry_slack() const override { return std::chrono::seconds{10}; }

  static ::test::RedisServer& server() {
    static ::test::RedisServer instance({daemons_line()});
    return instance;
  }

 private:
  Resolver resolver_;
  RedisTopology topology_{*RedisAddress::parse(server().unix_url() + "?user=sendquotad&password=CHANGE-ME"),
                          resolver_,
                          {.timeout = std::chrono::seconds{10}}};
  RedisContext context_{topology_, {"sendquota", std::chrono::seconds{10}}};
  RedisStore store_{context_};
  RedisLedger ledger_{context_};
};

}  // namespace

STORE_CONTRACT(AclFixture);

TEST_CASE("under the access rules of the example redis answers any random trace as the plain arithmetic does") {
  AclFixture fixture;
  CHECK(first_difference(fixture, 1, 250) == "");
}

TEST_CASE("under the access rules of the example a change of a table is told") {
  AclFixture fixture;
  REQUIRE(fixture.ledger().tables().has_value());
  AclFixture::server().ask("HSET sendquota:blocked user:alice@example.com stolen");
  const auto begun = std::chrono::steady_clock::now();
  fixture.ledger().wait_for_change(10s);
  CHECK(std::chrono::steady_clock::now() - begun < 5s);
}

TEST_CASE("under the access rules of the example a server that has lost its scripts is told them again") {
  AclFixture fixture;
  AclFixture::server().ask("SCRIPT FLUSH");
  CHECK(take(fixture, {charge(user("alice"), messages(10, 1h, 10), 1)}).enforced_taken);
}

}  // namespace quota::test
