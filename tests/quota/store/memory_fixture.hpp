// MemoryFixture: a MemoryStore under a clock that the test sets; nothing on disk.
#pragma once

#include <doctest/doctest.h>

#include "quota/store/memory_store.hpp"
#include "tests/quota/store/fixture.hpp"
#include "tests/support/manual_clock.hpp"

namespace quota::test {

class MemoryFixture final : public StoreFixture {
 public:
  MemoryFixture() { REQUIRE(store_.has_value()); }

  [[nodiscard]] MemoryStore& store() override { return **store_; }
  [[nodiscard]] Ledger& ledger() override { return **store_; }
  void set_now(Timestamp now) override { clock_.set(now); }
  void forget(const Identity&) override { (*store_)->sweep(); }
  [[nodiscard]] Milliseconds expiry_slack() const override { return Milliseconds{0}; }

 private:
  ManualClock clock_{start};
  Result<std::unique_ptr<MemoryStore>, std::string> store_ = MemoryStore::open(clock_, {.shards = 4});
};

}  // namespace quota::test
