// What a share gives and owes, moment by moment. How it is used: guarded_store_test.cpp.
#include "quota/store/shares.hpp"

#include "quota/holding.hpp"

#include "tests/quota/store/contract.hpp"

namespace quota::test {
namespace {

struct Desk {
  explicit Desk(std::size_t most = 10'000) : shares(levels, most, 7) {}
  LevelMemory levels{10'000, 7};
  Shares shares;
  std::int64_t nodes = 4;

  /// Sends if the share gives it.
  bool send(const Charge& one, Timestamp at) {
    const Charge* const charges[] = {&one};
    auto sitting = shares.sit(charges);
    if (!holds(one, sitting.look(one, nodes, at))) return false;
    sitting.spend(one, nodes, at);
    return true;
  }
  int sent_of(int tries, const Charge& one, Timestamp at) {
    int sent = 0;
    for (int i = 0; i < tries; ++i) sent += send(one, at) ? 1 : 0;
    return sent;
  }
  std::int64_t owed(const Charge& one, Timestamp at) {
    const auto debts = shares.due(1'000, at);
    for (const auto& debt : debts.charges)
      if (debt.identity == one.identity) return debt.cost;
    return 0;
  }
};

const Limit hundred = messages(100, 1h, 100);
Bucket used_at(std::int64_t used, Timestamp at) { return {used, 0, 100, 100, at}; }

}  // namespace

TEST_CASE("a share is 1/nodes of what the store was last seen to have, refilled at 1/nodes of the rate") {
  struct {
    std::optional<std::int64_t> seen;  // used of 100, an hour earlier or at once
    Milliseconds before;
    std::int64_t nodes;
    int want;        // now
    int want_later;  // and after another hour
  } const rows[] = {
      {{}, 0h, 4, 25, 25},        // never seen: full
      {0, 0h, 4, 25, 25},
      {40, 0h, 4, 15, 25},
      {41, 0h, 4, 14, 25},        // rounded to the safe side
      {100, 0h, 4, 0, 25},
      {100, 30min, 4, 12, 25},    // half of it has come back meanwhile
      {100, 1h, 4, 25, 25},
      {120, 0h, 4, 0, 20},        // the store's bucket was in debt
      {{}, 0h, 1, 100, 100},
      {{}, 0h, 3, 33, 33},
      {{}, 0h, 200, 1, 0},        // smaller than the number of nodes: one, and the next in two hours
  };
  for (const auto& row : rows) {
    CAPTURE(row.nodes);
    CAPTURE(row.want);
    Desk desk;
    desk.nodes = row.nodes;
    const auto one = charge(user("alice"), hundred, 1);
    if (row.seen) desk.levels.note(one, used_at(*row.seen, start), start - row.before);
    CHECK(desk.sent_of(200, one, start) == row.want);
    CHECK(desk.sent_of(200, one, start + 1h) == row.want_later);
  }
}

TEST_CASE("a cost above the share passes once nothing is used, and holds up all that follows until it is repaid") {
  Desk desk;
  const auto big = charge(user("alice"), hundred, 50);
  const auto small = charge(user("alice"), hundred, 1);
  CHECK_FALSE(desk.send(charge(user("bob"), hundred, 101), start));
  CHECK(desk.send(big, start));  // 50 where 25 are its share: two hours of it
  CHECK_FALSE(desk.send(small, start));
  CHECK_FALSE(desk.send(small, start + 1h));
  CHECK(desk.send(small, start + 1h + 3min));
  CHECK_FALSE(desk.send(big, start + 2h));  // the small one is not repaid
  CHECK(desk.send(big, start + 2h + 3min));
}

TEST_CASE("what is owed is what the spending still has in the bucket, never the sum that was sent") {
  Desk desk;
  const auto one = charge(user("alice"), hundred, 1);
  CHECK(desk.sent_of(25, one, start) == 25);
  struct {
    Milliseconds at;
    std::int64_t want;
  } const rows[] = {{0min, 25}, {3min, 24}, {30min, 13}, {57min, 2}, {59min, 1}, {60min, 0}};
  for (const auto& row : rows) {
    CAPTURE(row.at.count());
    CHECK(desk.owed(one, start + row.at) == row.want);  // a part counts as one
  }
  CHECK(desk.shares.is_empty());  // what owes nothing is forgotten
}

TEST_CASE("what the store had used before is not owed again, nor what would have come back in any case") {
  Desk desk;
  const auto one = charge(user("alice"), hundred, 1);
  desk.levels.note(one, used_at(80, start), start);
  CHECK(desk.sent_of(100, one, start) == 5);
  CHECK(desk.owed(one, start) == 5);
  CHECK(desk.owed(one, start + 30min) == 5);   // the store's 80 come back first
  CHECK(desk.owed(one, start + 48min) == 5);
  CHECK(desk.owed(one, start + 54min) == 3);   // 2.5
  CHECK(desk.owed(one, start + 1h) == 0);
}

TEST_CASE("a share that was charged back settles, pays the rest, and is over; what was sent meanwhile is due next") {
  Desk desk;
  const auto one = charge(user("alice"), messages(100, 1000h, 100), 1);
  const auto held = [](std::int64_t used, Timestamp at) { return Bucket{used, 0, 100, 100, at}; };
  CHECK(desk.sent_of(10, one, start) == 10);
  CHECK(desk.shares.judges(one));
  auto debts = desk.shares.due(10, start);
  REQUIRE(debts.charges.size() == 1);
  CHECK(debts.charges[0].cost == 10);
  CHECK(debts.starts[0].used == 0);
  desk.shares.paid(debts.charges[0], held(60, start), start);
  CHECK(desk.sent_of(2, one, start) == 2);  // its own 15 that are left, not the store's
  CHECK(desk.shares.judges(one));
  CHECK(desk.shares.due(10, start + Shares::settling - 1ms).charges.empty());

  const auto settled = start + Shares::settling;
  debts = desk.shares.due(10, settled);
  REQUIRE(debts.charges.size() == 1);
  CHECK(debts.charges[0].cost == 2);
  CHECK(desk.sent_of(3, one, settled) == 3);  // while this is under way
  desk.shares.paid(debts.charges[0], held(62, settled), settled);
  CHECK_FALSE(desk.shares.judges(one));
  debts = desk.shares.due(10, settled);
  REQUIRE(debts.charges.size() == 1);
  CHECK(debts.charges[0].cost == 3);
  CHECK(debts.starts[0].used == 62);
  desk.shares.paid(debts.charges[0], held(65, settled), settled);
  CHECK(desk.shares.is_empty());
}

TEST_CASE("a share that was charged back and not used since is over once it has settled") {
  Desk desk;
  const auto one = charge(user("alice"), hundred, 1);
  CHECK(desk.send(one, start));
  const auto debts = desk.shares.due(10, start);
  desk.shares.paid(debts.charges[0], used_at(1, start), start);
  CHECK(desk.shares.due(10, start + 1ms).charges.empty());
  CHECK(desk.shares.judges(one));
  CHECK(desk.shares.due(10, start + Shares::settling).charges.empty());
  CHECK(desk.shares.is_empty());
}

TEST_CASE("a store that leaves again while a share settles finds all as it was: it settles anew") {
  Desk desk;
  const auto one = charge(user("alice"), hundred, 1);
  CHECK(desk.sent_of(10, one, start) == 10);
  auto debts = desk.shares.due(10, start);
  desk.shares.paid(debts.charges[0], used_at(10, start), start);
  CHECK(desk.sent_of(1, one, start + 1s) == 1);
  debts = desk.shares.due(10, start + 1s);
  REQUIRE(debts.charges.size() == 1);
  desk.shares.unpaid(debts.charges[0]);
  desk.shares.paid(debts.charges[0], used_at(11, start + 2s), start + 2s);
  CHECK(desk.shares.judges(one));
}

TEST_CASE("a store that leaves again before the rest is paid is begun with where it was seen last, and the rest stays owed") {
  Desk desk;
  const auto one = charge(user("alice"), hundred, 1);
  CHECK(desk.sent_of(10, one, start) == 10);
  auto debts = desk.shares.due(10, start);
  desk.shares.paid(debts.charges[0], used_at(60, start), start);
  CHECK(desk.sent_of(1, one, start) == 1);
  debts = desk.shares.due(10, start + 36s);
  CHECK(desk.sent_of(2, one, start + 36s) == 2);
  desk.shares.paid(debts.charges[0], used_at(60, start + 36s), start + 36s);
  desk.levels.note(one, used_at(80, start + 36s), start + 36s);   // others used it
  CHECK(desk.sent_of(100, one, start + 36s) == 3);   // 20 of 100 are left, 5 for each of four, and 2 of them are spent
  CHECK(desk.owed(one, start + 36s) == 5);
}

TEST_CASE("a limit that changed in an outage carries over what was used") {
  Desk desk;
  CHECK(desk.sent_of(100, charge(user("alice"), hundred, 1), start) == 25);
  const auto wider = charge(user("alice"), messages(200, 1h, 200), 1);
  CHECK(desk.sent_of(100, wider, start) == 25);
  CHECK(desk.owed(wider, start) == 50);
  const auto narrower = charge(user("alice"), messages(40, 1h, 40), 1);
  CHECK(desk.sent_of(100, narrower, start) == 0);
  CHECK(desk.sent_of(100, narrower, start + 1h) == 10);
}

TEST_CASE("each debt comes once until all were told of, in batches") {
  Desk desk;
  const auto named = [](int i) { return charge(user(std::to_string(i)), hundred, 1); };
  for (int i = 0; i < 1'000; ++i) REQUIRE(desk.send(named(i), start));
  std::map<std::string, int> seen;
  for (int batch = 0; batch < 10; ++batch)
    for (const auto& debt : desk.shares.due(100, start).charges) ++seen[debt.identity.value];
  CHECK(seen.size() == 1'000);
  for (const auto& [name, times] : seen) CHECK(times <= 2);  // a batch ends with a place of its table, so some are larger
}

TEST_CASE("beyond the bound those are forgotten that are full again soonest") {
  Desk desk(640);
  const auto named = [](int i) { return charge(user(std::to_string(i)), hundred, 1); };
  for (int i = 0; i < 100; ++i) CHECK(desk.sent_of(25, named(i), start) == 25);
  for (int i = 100; i < 5'000; ++i) REQUIRE(desk.send(named(i), start));
  CHECK(desk.shares.size() <= 640);
  int used_up = 0;
  for (int i = 0; i < 100; ++i) used_up += desk.send(named(i), start) ? 0 : 1;
  CHECK(used_up >= 90);
}

TEST_CASE("debts are counted exactly for the largest limits and numbers of nodes") {
  Desk desk;
  desk.nodes = 1'000'000;  // counts as 500
  const auto limit = *Limit::make(Unit::bytes, 1, 1h, (exact_bound - 1) / 3'600'000);
  const auto most = charge(user("alice"), limit, limit.burst);
  CHECK(desk.send(most, start));
  CHECK_FALSE(desk.send(most, start + 24h));
  CHECK(desk.owed(most, start + 24h) == limit.burst);  // 24 of 500 times as much
}

}  // namespace quota::test
