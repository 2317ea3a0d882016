#include "quota/store/level_memory.hpp"

#include "tests/quota/store/contract.hpp"

namespace quota::test {
namespace {

Bucket level(const Limit& limit, std::int64_t used, Timestamp at) { return {used, 0, limit.amount, limit.burst, at}; }

}  // namespace

TEST_CASE("the level of a bucket is the last one that was noted; an answer that was overtaken changes nothing") {
  LevelMemory memory(1'000, 7);
  const auto limit = messages(100, 1h, 100);
  const auto one = charge(user("alice"), limit, 1);
  CHECK_FALSE(memory.level(one));
  struct {
    Milliseconds at;
    std::int64_t used, want;
  } const steps[] = {
      {0ms, 5, 5},    {10ms, 6, 6},   {10ms, 8, 8},
      {10ms, 7, 8},                // of one moment the one that counts more is the later one
      {5ms, 3, 8},                 // overtaken
      {20ms, 0, 0},                // refilled by an administrator
      {30min, 50, 50}, {1min, 4, 4},  // the store's clock stepped back by half an hour
  };
  for (const auto& step : steps) {
    memory.note(one, level(limit, step.used, start + step.at), start);
    CHECK(memory.level(one)->used == step.want);
  }
}

TEST_CASE("a level is of the moment in which it was heard of here, whatever its server's clock says") {
  LevelMemory memory(1'000, 7);
  const auto one = charge(user("alice"), messages(100, 1h, 100), 1);
  for (const auto server : {start - 1h, start, start + 1h}) {
    memory.note(one, level(one.limit, 5, server), start + 1s);
    CHECK(memory.level(one) == level(one.limit, 5, start + 1s));
  }
}

TEST_CASE("buckets are told apart by identity, quota, unit and period, and not by amount and burst") {
  LevelMemory memory(1'000, 7);
  const auto one = charge(user("alice"), messages(100, 1h, 100), 1);
  memory.note(one, level(one.limit, 5, start), start);
  auto other_quota = one;
  other_quota.quota = "other";
  auto other_unit = one;
  other_unit.limit.unit = Unit::recipients;
  for (const auto& other : {charge(user("bob"), one.limit, 1), charge({Kind::sender, one.identity.value}, one.limit, 1), other_quota,
                            other_unit, charge(user("alice"), messages(100, 2h, 100), 1)})
    CHECK_FALSE(memory.level(other));
  CHECK(memory.level(charge(user("alice"), messages(7, 1h, 9), 3))->used == 5);
}

TEST_CASE("where there is no room the fullest buckets are forgotten, and never one that is used up for long") {
  LevelMemory memory(4'096, 7);
  const auto limit = messages(100, 1h, 100);
  const auto named = [&](int i) { return charge(user("u" + std::to_string(i)), limit, 1); };
  for (int i = 0; i < 500; ++i) memory.note(named(i), level(limit, 100, start), start);
  for (int i = 500; i < 100'000; ++i) memory.note(named(i), level(limit, 1, start), start);
  int known = 0, used_up_known = 0;
  for (int i = 0; i < 100'000; ++i) {
    if (!memory.level(named(i))) continue;
    ++known;
    if (i < 500) ++used_up_known;
  }
  CHECK(used_up_known == 500);
  CHECK(known <= 4'096);
  CHECK(known > 3'500);
}

TEST_CASE("a bucket that is full again makes room") {
  LevelMemory memory(1'024, 7);
  const auto limit = messages(100, 1h, 100);
  for (int round = 0; round < 20; ++round)
    for (int i = 0; i < 300; ++i)
      memory.note(charge(user(std::to_string(round) + "-" + std::to_string(i)), limit, 1), level(limit, 50, start + round * 1h), start + round * 1h);
  int known = 0;
  for (int i = 0; i < 300; ++i) known += memory.level(charge(user("19-" + std::to_string(i)), limit, 1)) ? 1 : 0;
  CHECK(known >= 298);
}

TEST_CASE("a bucket that was never used takes no room") {
  LevelMemory memory(1'000, 7);
  const auto one = charge(user("alice"), messages(100, 1h, 100), 1);
  memory.note(one, level(one.limit, 0, start), start);
  CHECK_FALSE(memory.level(one));
}

}  // namespace quota::test
