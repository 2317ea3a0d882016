// RedisFixture: a RedisStore on a real server, with the clock of its scripts set by the test. One server serves a whole test
// program's run; each fixture begins with an empty one. Expiry follows Redis' own clock.
#pragma once

#include <doctest/doctest.h>

#include "quota/store/redis_ledger.hpp"
#include "tests/quota/store/fixture.hpp"
#include "tests/support/redis_server.hpp"

namespace quota::test {

class RedisFixture final : public StoreFixture {
 public:
  RedisFixture() {
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
    static ::test::RedisServer instance;
    return instance;
  }

 private:
  Resolver resolver_;
  // Tests run beside others: a slow machine is no slow store.
  RedisTopology topology_{*RedisAddress::parse(server().unix_url()), resolver_, {.timeout = std::chrono::seconds{10}}};
  RedisContext context_{topology_, {"sendquota", std::chrono::seconds{10}}};
  RedisStore store_{context_};
  RedisLedger ledger_{context_};
};

}  // namespace quota::test
