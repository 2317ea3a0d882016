// What a store does that lies on several servers: looks, commits whatever was decided, charges back. On one server and on a
// Cluster alike, held against the plain arithmetic.
#include <doctest/doctest.h>

#include <map>
#include <random>

#include "tests/quota/store/contract_ledger.hpp"
#include "tests/quota/store/redis_fixture.hpp"

namespace quota::test {
namespace {

/// The charges of a step: some buckets of some identities, under limits that change now and then.
class Source {
 public:
  explicit Source(std::uint64_t seed) : random_(seed) {}

  std::int64_t below(std::int64_t bound) { return static_cast<std::int64_t>(random_() % static_cast<std::uint64_t>(bound)); }

  std::vector<Charge> charges() {
    const Identity identities[] = {user("alice"), user("bob"), domain(), {Kind::everyone, "all"}};
    const std::int64_t bursts[] = {10, 10, 10, 25, 3};
    std::vector<Charge> all;
    for (const auto& identity : identities)
      for (const auto unit : {Unit::messages, Unit::bytes}) {
        if (below(3) == 0) continue;
        // Bytes so large that a debt reaches the bound of what can be counted exactly.
        const auto limit = unit == Unit::messages ? *Limit::make(unit, 7, 90min, bursts[below(5)]) : *Limit::make(unit, 999'983, 24h, 104'000'000);
        const auto cost = below(4) == 0 ? limit.burst * below(3) : below(limit.burst + 1);
        all.push_back({identity, "mailbox", limit, cost, Group::enforced, below(2) == 0 ? std::optional<Milliseconds>{10min} : std::nullopt});
      }
    return all;
  }

 private:
  std::mt19937_64 random_;
};

/// What the arithmetic says.
class Plain {
 public:
  Timestamp now = start;

  [[nodiscard]] Bucket look(const Charge& charge) const {
    const auto found = buckets_.find(key(charge));
    return refilled(charge.limit, found == buckets_.end() ? std::nullopt : std::optional{found->second}, now);
  }
  void commit(const Charge& charge) {
    if (charge.cost == 0) return settle(charge);
    auto bucket = spent(look(charge), charge.cost);
    const auto interval = charge.limit.rate().interval;
    if (const auto most = (exact_bound - 1) / interval; bucket.used > most || (bucket.used == most && bucket.remainder > 0)) {
      bucket.used = most;
      bucket.remainder = 0;
    }
    buckets_[key(charge)] = bucket;
  }
  void repay(const Charge& charge) {
    if (charge.cost == 0) return settle(charge);
    const auto before = look(charge);
    auto bucket = spent(before, charge.cost);
    if (before.used >= charge.limit.burst) bucket = before;
    if (bucket.used >= charge.limit.burst && before.used < charge.limit.burst) bucket = {charge.limit.burst, 0, bucket.amount, bucket.burst, now};
    buckets_[key(charge)] = bucket;
  }
  /// A clock that stepped back is written.
  void settle(const Charge& charge) {
    const auto found = buckets_.find(key(charge));
    if (found != buckets_.end() && found->second.written > now) buckets_[key(charge)] = look(charge);
  }
  std::int64_t count(const Charge& charge) {
    auto& refusals = refusals_[charge.identity.text()];
    refusals = counted(refusals, now, *charge.refusal_window, 1);
    return refusals->count;
  }

 private:
  static std::string key(const Charge& charge) { return charge.identity.text() + ' ' + bucket_field(charge.quota, charge.limit); }

  std::map<std::string, Bucket> buckets_;
  std::map<std::string, std::optional<Refusals>> refusals_;
};

template <class Fixture>
void play(std::uint64_t seed, int steps) {
  Fixture fixture;
  Source source(seed);
  Plain plain;
  for (int step = 0; step < steps; ++step) {
    CAPTURE(seed);
    CAPTURE(step);
    // A minute at most: no record may end by a clock that is not the test's.
    plain.now += source.below(8) == 0 ? -1ms * source.below(20'000) : 1ms * source.below(60'000);
    fixture.set_now(plain.now);
    auto charges = source.charges();
    std::vector<Taken> want;
    for (const auto& charge : charges) want.push_back({plain.look(charge), 0});
    SpreadStore::Answers got;
    const auto verb = source.below(3);
    if (verb == 0) {
      got = fixture.spread().look(charges);
      for (const auto& charge : charges) plain.settle(charge);
    } else if (verb == 1) {
      got = fixture.spread().repay(charges);
      for (const auto& charge : charges) plain.repay(charge);
    } else {
      const auto taken = static_cast<std::size_t>(source.below(static_cast<std::int64_t>(charges.size()) + 1));
      got = fixture.spread().commit(std::span(charges).first(taken), std::span(charges).subspan(taken));
      std::map<std::string, std::int64_t> known;
      for (std::size_t i = 0; i < charges.size(); ++i) {
        i < taken ? plain.commit(charges[i]) : plain.settle(charges[i]);
        if (i < taken || !charges[i].refusal_window) continue;
        auto& count = known[charges[i].identity.text()];
        if (count == 0) count = plain.count(charges[i]);
        want[i].refusals = count;
      }
    }
    REQUIRE(got.size() == want.size());
    for (std::size_t i = 0; i < want.size(); ++i) {
      CAPTURE(i);
      CAPTURE(format(want[i].bucket));
      const auto answer = answered(got[i]);
      CAPTURE(format(answer.bucket));
      REQUIRE(answer == want[i]);
    }
  }
}

}  // namespace

TEST_CASE_TEMPLATE("looks, commits and repayments do what the plain arithmetic does", Fixture, RedisFixture, ClusterFixture) {
  for (std::uint64_t seed = 1; seed <= 8; ++seed) play<Fixture>(seed, 150);
}

TEST_CASE_TEMPLATE("a commit may go into debt, which the refill repays, and a repayment never does", Fixture, RedisFixture, ClusterFixture) {
  Fixture fixture;
  const auto limit = messages(60, 1h, 10);
  const std::vector charges{charge(user("alice"), limit, 8), charge(domain(), limit, 1)};
  for (int i = 0; i < 2; ++i)
    for (const auto& answer : fixture.spread().commit(charges, {})) REQUIRE(answer.has_value());
  CHECK(bucket_text(fixture, user("alice"), limit) == "16/10 0 60 1763790000000");
  for (const auto& answer : fixture.spread().repay(charges)) REQUIRE(answer.has_value());
  CHECK(bucket_text(fixture, user("alice"), limit) == "16/10 0 60 1763790000000");
  CHECK(bucket_text(fixture, domain(), limit) == "3/10 0 60 1763790000000");
  fixture.set_now(start + 7min);
  CHECK(take(fixture, {charge(user("alice"), limit, 1)}).enforced_taken);
  CHECK(bucket_text(fixture, user("alice"), limit) == "10/10 0 60 1763790420000");
  for (const auto& answer : fixture.spread().repay(std::vector{charge(domain(), limit, 1'000'000'000'000)})) REQUIRE(answer.has_value());
  CHECK(bucket_text(fixture, domain(), limit) == "10/10 0 60 1763790420000");
}

}  // namespace quota::test
