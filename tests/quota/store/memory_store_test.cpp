#include "quota/store/memory_store.hpp"

#include "tests/quota/store/contract_ledger.hpp"
#include "tests/quota/store/memory_fixture.hpp"
#include "tests/quota/store/trace.hpp"

namespace quota::test {

STORE_CONTRACT(MemoryFixture);

TEST_CASE("memory answers any random trace as the plain arithmetic does") {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    MemoryFixture fixture;
    CHECK(first_difference(fixture, seed, 500) == "");
  }
}

}  // namespace quota::test
