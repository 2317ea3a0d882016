// The contract of every Store: what it answers and what it writes, moment by moment, with exact equality.
// A store's test includes this and contract_ledger.hpp, and says STORE_CONTRACT(ItsFixture).
#pragma once

#include <doctest/doctest.h>

#include <atomic>
#include <thread>

#include "tests/quota/store/fixture.hpp"

namespace quota::test {

using namespace std::chrono_literals;

inline Identity user(const std::string& name) { return {Kind::user, name + "@example.com"}; }
inline Identity domain() { return {Kind::user_domain, "example.com"}; }

inline Limit messages(std::int64_t amount, Milliseconds period, std::int64_t burst) {
  return *Limit::make(Unit::messages, amount, period, burst);
}

inline Charge charge(const Identity& identity, const Limit& limit, std::int64_t cost) {
  return {identity, "mailbox", limit, cost, Group::enforced, {}};
}
inline Charge observed(Charge charge) {
  charge.group = Group::observed;
  return charge;
}
inline Charge counted_in(Charge charge, Milliseconds window) {
  charge.refusal_window = window;
  return charge;
}

/// What a store answered; a test in which it has no answer ends here.
template <class T>
T answered(Result<T, StoreError> result) {
  if (!result) FAIL("the store has no answer: " << result.error().text);
  return std::move(*result);
}

inline Outcome take(StoreFixture& fixture, const std::vector<Charge>& charges) { return answered(fixture.store().take(charges)); }

inline Record record_of(StoreFixture& fixture, const Identity& identity) { return answered(fixture.ledger().record(identity)); }

/// The bucket of `mailbox` as text; `full` where there is none.
inline std::string bucket_text(StoreFixture& fixture, const Identity& identity, const Limit& limit) {
  const auto record = record_of(fixture, identity);
  const auto found = record.buckets.find(bucket_field("mailbox", limit));
  return found == record.buckets.end() ? "full" : format(found->second);
}

inline Milliseconds lifetime(StoreFixture& fixture, const Identity& identity, Timestamp now) {
  const auto record = record_of(fixture, identity);
  REQUIRE(record.expires_at.has_value());
  return *record.expires_at - now;
}

/// As long as it is needed, and not much longer. `full`: what the greatest burst in it takes to refill.
inline void check_lifetime(StoreFixture& fixture, const Identity& identity, Timestamp now, Milliseconds needed, Milliseconds full = {}) {
  const auto found = lifetime(fixture, identity, now);
  CAPTURE(needed.count());
  CHECK(found >= needed - fixture.expiry_slack());
  CHECK(found <= needed + fixture.kept_longer(full) + fixture.expiry_slack());
}

TEST_CASE_TEMPLATE_DEFINE("a bucket gives what it holds, refuses what it does not, and refills by the millisecond", Fixture, store_bucket) {
  Fixture fixture;
  const auto limit = messages(3, 1h, 3);  // one comes back every 20 minutes
  struct {
    Milliseconds at;
    std::int64_t cost;
    Bucket want;  // before the cost was taken
    bool taken;
  } const steps[] = {
      {0min, 4, {0, 0, 3, 3, start}, false},  // more than it can ever hold
      {0min, 2, {0, 0, 3, 3, start}, true},
      {0min, 1, {2, 0, 3, 3, start}, true},
      {0min, 1, {3, 0, 3, 3, start}, false},
      {20min - 1ms, 1, {2, 1, 3, 3, start + 20min - 1ms}, false},  // 3 in 3,600,000 ms are 1 in 1,200,000; one is missing
      {20min, 1, {2, 0, 3, 3, start + 20min}, true},
      {80min, 3, {0, 0, 3, 3, start + 80min}, true},
      {81min, 0, {2, 1'140'000, 3, 3, start + 81min}, true},  // nothing asked, nothing taken
  };
  for (const auto& step : steps) {
    CAPTURE(step.at.count());
    fixture.set_now(start + step.at);
    const auto outcome = take(fixture, {charge(user("alice"), limit, step.cost)});
    CHECK(outcome.now == start + step.at);
    CHECK(outcome.enforced_taken == step.taken);
    CHECK(outcome.observed_taken == step.taken);
    REQUIRE(outcome.charges.size() == 1);
    CHECK(outcome.charges[0] == Taken{step.want, 0});
  }
}

TEST_CASE_TEMPLATE_DEFINE("a message is charged to every bucket or to none", Fixture, store_all_or_none) {
  Fixture fixture;
  const auto own = messages(100, 100h, 10);
  const auto shared = messages(100, 100h, 3);
  const auto both = [&](const std::string& name) { return std::vector{charge(user(name), own, 1), charge(domain(), shared, 1)}; };
  for (const bool want : {true, true, true, false, false}) CHECK(take(fixture, both("alice")).enforced_taken == want);
  CHECK(bucket_text(fixture, user("alice"), own) == "3/10 0 100 1763790000000");
  CHECK(bucket_text(fixture, domain(), shared) == "3/3 0 100 1763790000000");
  CHECK_FALSE(take(fixture, both("bob")).enforced_taken);
  CHECK(record_of(fixture, user("bob")).is_empty());  // refused mail costs nothing
}

TEST_CASE_TEMPLATE_DEFINE("several limits of one sender are buckets of their own", Fixture, store_several_limits) {
  Fixture fixture;
  const auto hourly = messages(60, 1h, 5);
  const auto daily = messages(20, 24h, 20);
  const auto bytes = *Limit::make(Unit::bytes, 500'000'000, 24h, std::nullopt);
  const std::vector charges{charge(user("alice"), hourly, 1), charge(user("alice"), daily, 1), charge(user("alice"), bytes, 100'000'000)};
  for (const bool want : {true, true, true, true, true, false}) CHECK(take(fixture, charges).enforced_taken == want);
  fixture.set_now(start + 5min);
  const auto outcome = take(fixture, charges);
  CHECK_FALSE(outcome.enforced_taken);  // five minutes bring the messages of the first back, not the bytes
  CHECK(outcome.charges[0].bucket.used == 0);
  CHECK(outcome.charges[1].bucket.used == 4);
  CHECK(outcome.charges[2].bucket.used == 498'263'888);
  const auto fields = record_of(fixture, user("alice")).buckets;
  CHECK(fields.size() == 3);
  CHECK(fields.contains("mailbox messages/1h"));
  CHECK(fields.contains("mailbox messages/1d"));
  CHECK(fields.contains("mailbox bytes/1d"));
}

TEST_CASE_TEMPLATE_DEFINE("observed charges are a second group, asked only where the first was taken", Fixture, store_groups) {
  const auto small = messages(100, 100h, 1);
  const auto large = messages(100, 100h, 9);
  struct {
    const char* what;
    std::vector<Charge> charges;
    bool enforced, observed;
    std::string alice, bob;
  } const rows[] = {
      {"both hold", {charge(user("alice"), large, 2), observed(charge(user("bob"), large, 3))}, true, true, "2/9", "3/9"},
      {"the observed one fails", {charge(user("alice"), large, 2), observed(charge(user("bob"), small, 3))}, true, false, "2/9", "full"},
      {"the enforced one fails", {charge(user("alice"), small, 2), observed(charge(user("bob"), large, 3))}, false, false, "full", "full"},
      {"only observed", {observed(charge(user("bob"), large, 3))}, true, true, "full", "3/9"},
      {"only observed, and it fails", {observed(charge(user("bob"), small, 3))}, true, false, "full", "full"},
      {"one observed fails, so none is taken",
       {observed(charge(user("bob"), small, 3)), observed(charge(user("alice"), large, 1))}, true, false, "full", "full"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.what);
    Fixture fixture;
    const auto outcome = take(fixture, row.charges);
    CHECK(outcome.enforced_taken == row.enforced);
    CHECK(outcome.observed_taken == row.observed);
    const auto before_space = [](const std::string& text) { return text.substr(0, text.find(' ')); };
    CHECK(before_space(bucket_text(fixture, user("alice"), large)) == row.alice);
    CHECK(before_space(bucket_text(fixture, user("bob"), large)) == row.bob);
  }
}

TEST_CASE_TEMPLATE_DEFINE("a question without charges, or of cost 0, writes nothing", Fixture, store_nothing_asked) {
  Fixture fixture;
  const auto limit = messages(3, 1h, 3);
  const auto nothing = take(fixture, {});
  CHECK(nothing.enforced_taken);
  CHECK(nothing.observed_taken);
  CHECK(nothing.charges.empty());
  CHECK(take(fixture, {charge(user("alice"), limit, 0)}).enforced_taken);
  CHECK(record_of(fixture, user("alice")).is_empty());
  std::ignore = take(fixture, {charge(user("alice"), limit, 2)});
  fixture.set_now(start + 5min);
  std::ignore = take(fixture, {charge(user("alice"), limit, 0)});
  CHECK(bucket_text(fixture, user("alice"), limit) == "2/3 0 3 1763790000000");
  std::ignore = take(fixture, {charge(user("alice"), messages(5, 1h, 5), 0)});  // not even under another limit
  CHECK(bucket_text(fixture, user("alice"), limit) == "2/3 0 3 1763790000000");
}

TEST_CASE_TEMPLATE_DEFINE("peek answers as take would, and changes nothing", Fixture, store_peek) {
  Fixture fixture;
  const auto limit = messages(3, 1h, 3);
  std::ignore = take(fixture, {charge(user("alice"), limit, 3)});
  const auto before = format(record_of(fixture, user("alice")));
  for (const auto at : {0min, 20min, -5min}) {
    CAPTURE(at.count());
    fixture.set_now(start + at);
    const std::vector charges{counted_in(charge(user("alice"), limit, 1), 10min)};
    const auto seen = fixture.store().peek(charges);
    REQUIRE(seen.has_value());
    CHECK(seen->now == start + at);
    CHECK(seen->enforced_taken == (at == 20min));
    CHECK(seen->charges[0].refusals == 0);
    CHECK(format(record_of(fixture, user("alice"))) == before);
  }
}

TEST_CASE_TEMPLATE_DEFINE("a clock that steps back refills nothing, and does not stop the refill", Fixture, store_step_back) {
  Fixture fixture;
  const auto limit = messages(3, 1h, 3);
  std::ignore = take(fixture, {charge(user("alice"), limit, 3)});
  fixture.set_now(start - 2h);
  CHECK_FALSE(take(fixture, {charge(user("alice"), limit, 1)}).enforced_taken);
  CHECK(bucket_text(fixture, user("alice"), limit) == "3/3 0 3 1763782800000");  // written although it was refused
  fixture.set_now(start - 2h + 20min);
  CHECK(take(fixture, {charge(user("alice"), limit, 1)}).enforced_taken);
  fixture.set_now(start - 3h);
  CHECK(take(fixture, {charge(user("alice"), messages(3, 1h, 5), 0)}).enforced_taken);  // and although it asked for nothing
  CHECK(bucket_text(fixture, user("alice"), limit) == "3/5 0 3 1763779200000");
}

TEST_CASE_TEMPLATE_DEFINE("under another limit what is used is carried over, rounded up", Fixture, store_changed_limit) {
  struct {
    const char* what;
    Limit then;
    std::string want;  // after one more was taken at 10 min
  } const rows[] = {
      {"the same limit keeps its fraction", messages(10, 1h, 10), "9/10 120000 10 1763790600000"},  // 10 in 10 min are 1 2/3
      {"a larger burst", messages(10, 1h, 20), "10/20 0 10 1763790600000"},
      {"a faster refill", messages(60, 1h, 10), "10/10 0 60 1763790600000"},
      {"a smaller burst is full", messages(10, 1h, 5), "10/10 0 10 1763790000000"},  // so nothing was taken or written
  };
  for (const auto& row : rows) {
    CAPTURE(row.what);
    Fixture fixture;
    std::ignore = take(fixture, {charge(user("alice"), messages(10, 1h, 10), 10)});
    fixture.set_now(start + 10min);
    std::ignore = take(fixture, {charge(user("alice"), row.then, 1)});
    CHECK(bucket_text(fixture, user("alice"), row.then) == row.want);
  }
}

TEST_CASE_TEMPLATE_DEFINE("a refusal is counted once per identity and quota, where that is asked for", Fixture, store_refusals) {
  Fixture fixture;
  const auto limit = messages(1, 24h, 1);
  const auto other = messages(1, 12h, 1);
  const std::vector charges{counted_in(charge(user("alice"), limit, 2), 10min), counted_in(charge(user("alice"), other, 2), 10min),
                            counted_in(charge(user("bob"), limit, 1), 10min), charge(domain(), limit, 2),
                            counted_in(observed(charge(user("carol"), limit, 2)), 10min)};
  struct {
    Milliseconds at;
    std::int64_t want;
    std::string text;
  } const steps[] = {
      {0min, 1, "1 1763790000000"},
      {5min, 2, "2 1763790000000"},
      {10min - 1ms, 3, "3 1763790000000"},
      {10min, 1, "1 1763790600000"},  // the window begins with its first refusal, and anew after it
      {4min, 1, "1 1763790240000"},   // one from the future is none
  };
  for (const auto& step : steps) {
    CAPTURE(step.at.count());
    fixture.set_now(start + step.at);
    const auto outcome = take(fixture, charges);
    CHECK_FALSE(outcome.enforced_taken);
    std::vector<std::int64_t> counts;
    for (const auto& one : outcome.charges) counts.push_back(one.refusals);
    CHECK(counts == std::vector<std::int64_t>{step.want, step.want, 0, 0, 0});
    CHECK(format(record_of(fixture, user("alice")).refusals.at("mailbox")) == step.text);
  }
  for (const auto& untouched : {user("bob"), domain(), user("carol")}) CHECK(record_of(fixture, untouched).is_empty());
}

TEST_CASE_TEMPLATE_DEFINE("a record is kept until all that it holds has passed", Fixture, store_expiry) {
  Fixture fixture;
  const auto slow = messages(1, 1h, 10);
  const auto quick = messages(10, 1h, 10);
  std::ignore = take(fixture, {charge(user("alice"), slow, 3), charge(user("bob"), quick, 3)});
  check_lifetime(fixture, user("alice"), start, 3h, 10h);
  check_lifetime(fixture, user("bob"), start, 18min, 1h);
  std::ignore = take(fixture, {counted_in(charge(user("bob"), quick, 11), 10min)});
  check_lifetime(fixture, user("bob"), start, 18min, 1h);  // never shortened
  std::ignore = take(fixture, {counted_in(charge(user("bob"), quick, 11), 30min)});
  check_lifetime(fixture, user("bob"), start, 30min, 1h);
  std::ignore = fixture.store().hold(user("carol"), "mx1", 5);
  check_lifetime(fixture, user("carol"), start, held_kept_for);
}

TEST_CASE_TEMPLATE_DEFINE("eight threads at once get exactly what the buckets hold", Fixture, store_threads) {
  Fixture fixture;
  constexpr std::int64_t identities = 20;
  constexpr std::int64_t burst = 25;
  constexpr std::int64_t shared_burst = 400;  // fewer than 20 · 25: the shared bucket ends it
  const auto own = messages(burst, 1000h, burst);
  const auto shared = messages(shared_burst, 1000h, shared_burst);
  std::atomic<std::int64_t> accepted{0};
  const auto send = [&](unsigned offset) {
    for (std::int64_t i = 0; i < burst * identities / 4; ++i) {
      const auto name = "user" + std::to_string((i + offset) % identities);
      const std::vector charges{charge(user(name), own, 1), charge(domain(), shared, 1)};
      const auto outcome = fixture.store().take(charges);
      if (outcome && outcome->enforced_taken) ++accepted;
    }
  };
  {
    std::vector<std::jthread> threads;
    for (unsigned i = 0; i < 8; ++i) threads.emplace_back(send, i * 3);
  }
  CHECK(accepted >= shared_burst);
  CHECK(accepted <= shared_burst + fixture.most_above(7));
  std::int64_t used = 0;
  for (std::int64_t i = 0; i < identities; ++i)
    for (const auto& [field, bucket] : record_of(fixture, user("user" + std::to_string(i))).buckets) used += bucket.used;
  CHECK(used == accepted);
}

}  // namespace quota::test
