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

namespace {

std::unique_ptr<MemoryStore> small_store(const Clock& clock, std::size_t most) {
  auto store = MemoryStore::open(clock, {.most_records = most, .shards = 1, .state_dir = {}, .on_problem = {}});
  REQUIRE(store.has_value());
  return std::move(*store);
}

void send(MemoryStore& store, const Identity& identity, std::int64_t cost) {
  REQUIRE(answered(store.take(std::vector{charge(identity, messages(100, 100h, 100), cost)})).enforced_taken);
}

}  // namespace

TEST_CASE("a full store gives up records near their end, and never a block") {
  const ManualClock clock(start);
  const auto store = small_store(clock, 100);
  for (int i = 0; i < 20; ++i)
    REQUIRE(store->mark_blocked(user("blocked" + std::to_string(i)), {"b1", {}, {}, start + 1min}).has_value());
  for (int i = 0; i < 15; ++i) send(*store, user("heavy" + std::to_string(i)), 100);
  for (int i = 0; i < 1000; ++i) send(*store, user("light" + std::to_string(i)), 1);
  CHECK(store->counts().records == 100);
  CHECK(store->counts().evicted == 935);
  for (int i = 0; i < 20; ++i) CHECK(answered(store->record(user("blocked" + std::to_string(i)))).block == "b1");
  int heavy = 0;
  for (int i = 0; i < 15; ++i) heavy += answered(store->record(user("heavy" + std::to_string(i)))).is_empty() ? 0 : 1;
  CHECK(heavy == 15);  // any sample of sixteen holds a light one, which goes first
}

TEST_CASE("a store full of blocks takes more records than it should rather than lose one") {
  const ManualClock clock(start);
  const auto store = small_store(clock, 10);
  for (int i = 0; i < 30; ++i) REQUIRE(store->mark_blocked(user(std::to_string(i)), {"b1", {}, {}, {}}).has_value());
  send(*store, user("alice"), 1);
  CHECK(store->counts().records == 31);
  send(*store, user("bob"), 1);
  CHECK(store->counts().records <= 32);
}

TEST_CASE("idle records go as new ones come, and all at once when swept") {
  ManualClock clock(start);
  const auto store = small_store(clock, 1'000'000);
  for (int i = 0; i < 1000; ++i) send(*store, user("old" + std::to_string(i)), 1);
  clock.advance(1h);
  CHECK(answered(store->record(user("old0"))) == Record{});  // over is over, swept or not
  for (int i = 0; i < 1000; ++i) send(*store, user("new" + std::to_string(i)), 1);
  CHECK(store->counts().records < 1200);
  store->sweep();
  CHECK(store->counts().records == 1000);
  CHECK(store->counts().expired == 1000);
}

TEST_CASE("a claim ends with its time, or when the clock steps back before it") {
  ManualClock clock(start);
  const auto store = small_store(clock, 10);
  struct {
    Milliseconds at;
    bool want;
  } const steps[] = {{0min, true}, {59min, false}, {60min, true}, {61min, false}, {30min, true}};
  for (const auto& step : steps) {
    clock.set(start + step.at);
    CHECK(answered(store->claim("digest", 1h)) == step.want);
  }
}

TEST_CASE("a change made by another thread ends the wait") {
  const ManualClock clock(start);
  const auto store = small_store(clock, 10);
  const std::jthread other([&] { std::ignore = store->replace(Table::account, "user:alice@example.com", std::nullopt, "acme"); });
  const auto begin = std::chrono::steady_clock::now();
  store->wait_for_change(1h);
  CHECK(std::chrono::steady_clock::now() - begin < 1min);
  CHECK(answered(store->tables()).accounts.size() == 1);
}

TEST_CASE("only the newest ten thousand events are kept") {
  const ManualClock clock(start);
  const auto store = small_store(clock, 10);
  for (int i = 0; i < 10'100; ++i) REQUIRE(store->append({"blocked", "info", "", std::to_string(i), "", ""}).has_value());
  const auto events = answered(store->events({.count = 20'000}));
  CHECK(events.size() == 10'000);
  CHECK(events.front().event.text == "10099");
}

}  // namespace quota::test
