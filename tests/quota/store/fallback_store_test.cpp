#include "quota/store/fallback_store.hpp"

#include "tests/quota/store/contract.hpp"
#include "tests/quota/store/memory_fixture.hpp"

namespace quota::test {
namespace {

/// A store that can be taken away.
class Unsteady final : public Store {
 public:
  explicit Unsteady(Store& store) : store_(store) {}
  bool is_away = false;

  Result<Outcome, StoreError> take(std::span<const Charge> charges) override { return answer(store_.take(charges)); }
  Result<Outcome, StoreError> peek(std::span<const Charge> charges) override { return answer(store_.peek(charges)); }
  Result<std::int64_t, StoreError> hold(const Identity& identity, const std::string& host, std::int64_t most) override {
    return store_.hold(identity, host, most);
  }
  Timestamp now() const override { return store_.now(); }

 private:
  Result<Outcome, StoreError> answer(Result<Outcome, StoreError> outcome) const {
    if (!is_away) return outcome;
    return StoreError{StoreErrorKind::unreachable, Executed::no, "nobody there"};
  }
  Store& store_;
};

struct World {
  explicit World(std::int64_t nodes) : store(primary, share.store(), nodes, [this](const std::string& error) { told.push_back(error); }) {}
  MemoryFixture real{};
  MemoryFixture share{};
  Unsteady primary{real.store()};
  std::vector<std::string> told{};
  FallbackStore store;

  int accepted_of(int tries, const Charge& one) {
    int accepted = 0;
    for (int i = 0; i < tries; ++i) accepted += answered(store.take(std::vector{one})).enforced_taken ? 1 : 0;
    return accepted;
  }
};

}  // namespace

TEST_CASE("while the store is away each node gives its share of every limit, and says so once") {
  World world(4);
  const auto one = charge(user("alice"), messages(100, 1h, 100), 1);
  CHECK(world.accepted_of(5, one) == 5);
  CHECK(world.told.empty());
  world.primary.is_away = true;
  CHECK(world.accepted_of(60, one) == 25);
  CHECK(world.told == std::vector<std::string>{"nobody there"});
  world.primary.is_away = false;
  CHECK(world.accepted_of(1, one) == 1);
  CHECK(world.told == std::vector<std::string>{"nobody there", ""});
}

TEST_CASE("a cost above the share passes when the share is full, and is never one that could never fit") {
  World world(10);
  world.primary.is_away = true;
  const auto limit = messages(100, 1h, 100);
  const auto big = charge(user("alice"), limit, 50);
  CHECK(world.accepted_of(2, big) == 1);
  const auto refused = answered(world.store.take(std::vector{big}));
  CHECK_FALSE(refused.enforced_taken);
  CHECK(retry_after(limit, refused.charges[0].bucket, big.cost) > Milliseconds{0});  // later, not never
  const auto too_big = charge(user("bob"), limit, 101);
  CHECK(world.accepted_of(1, too_big) == 0);
}

TEST_CASE("a limit smaller than the number of nodes still gives one") {
  World world(10);
  world.primary.is_away = true;
  CHECK(world.accepted_of(5, charge(user("alice"), messages(3, 1h, 3), 1)) == 1);
}

TEST_CASE("refusals are not counted while the store is away") {
  World world(1);
  world.primary.is_away = true;
  const auto one = counted_in(charge(user("alice"), messages(1, 1h, 1), 1), 10min);
  REQUIRE(world.accepted_of(1, one) == 1);
  const auto refused = answered(world.store.take(std::vector{one}));
  CHECK_FALSE(refused.enforced_taken);
  CHECK(refused.charges[0].refusals == 0);
}

}  // namespace quota::test
