#include "quota/token_bucket.hpp"

#include <doctest/doctest.h>

#include <random>
#include <vector>

#include "quota/time_text.hpp"
#include "tests/support/must.hpp"

namespace quota {
namespace {

using namespace std::chrono_literals;

constexpr Timestamp start{Milliseconds{1'763'790'000'000}};

Limit limit_of(std::string_view text) { return must(parse_allowance(text)).limits.at(0); }

/// What a store does with a limit that stands alone.
struct Meter {
  explicit Meter(const Limit& of) : limit(of) {}

  bool take(std::int64_t cost, Timestamp now) {
    bucket = refilled(limit, bucket, now);
    const bool held = holds(limit, *bucket, cost);
    if (held) bucket = spent(*bucket, cost);
    return held;
  }

  Limit limit;
  std::optional<Bucket> bucket{};
};

/// Limits whose rates divide well, badly and not at all, from one in a month to thousands a millisecond.
const std::vector<Limit>& sample_limits() {
  static const std::vector<Limit> limits = [] {
    std::vector<Limit> out;
    for (const auto* text : {"250 messages / 15m", "250 messages / 30d", "7 messages / 1s burst 3",
                             "1 messages / 1d burst 20", "333 recipients / 1001ms burst 50", "500MB / 1d burst 10MB",
                             "3000 messages / 1s burst 10", "1 messages / 1ms"})
      out.push_back(limit_of(text));
    return out;
  }();
  return limits;
}

class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}
  std::int64_t between(std::int64_t least, std::int64_t most) {
    return std::uniform_int_distribution(least, most)(engine_);
  }
  /// A pause such that traffic at `limit` is now starved, now at its limit, now idle.
  Milliseconds pause(const Limit& limit) {
    const auto one = std::max<std::int64_t>(1, limit.period.count() / limit.amount);
    switch (between(0, 9)) {
      case 0:
        return Milliseconds{between(0, limit.period.count())};
      case 1:
        return Milliseconds{0};
      default:
        return Milliseconds{between(0, 3 * one)};
    }
  }
  std::int64_t cost(const Limit& limit) {
    return between(0, 4) == 0 ? between(0, limit.burst + 2) : between(0, 1 + limit.burst / 20);
  }

 private:
  std::mt19937_64 engine_;
};

Bucket random_bucket(Random& random, const Limit& limit) {
  const auto used = random.between(0, limit.burst);
  const auto interval = limit.rate().interval;
  return {used, used == limit.burst ? 0 : random.between(0, interval - 1), limit.amount, limit.burst, start};
}

TEST_CASE("a bucket refuses what is past its burst and says when to come back") {
  struct {
    Milliseconds at;
    std::int64_t cost;
    std::optional<Milliseconds> want;
  } const steps[] = {
      {0min, 4, {}},                                         // more than the bucket can ever hold
      {0min, 3, 0ms},                                        // full at first
      {0min, 0, 0ms},                                        // nothing fits into an empty bucket
      {0min, 1, 20min},                                      // one comes back every 20 minutes
      {19min, 1, 1min}, {20min, 1, 0ms}, {19min, 1, 20min},  // a clock that steps back refills nothing ...
      {39min, 1, 0ms},  // ... and the bucket goes on from there, it does not wait for the old time
      {24h, 3, 0ms},    // never fuller than full
      {24h, 1, 20min},
  };
  Meter meter(limit_of("3 messages / 1h"));
  for (const auto& step : steps) {
    CAPTURE(step.at.count());
    CAPTURE(step.cost);
    meter.bucket = refilled(meter.limit, meter.bucket, start + step.at);
    CHECK(retry_after(meter.limit, *meter.bucket, step.cost) == step.want);
    CHECK(holds(meter.limit, *meter.bucket, step.cost) == (step.want == 0ms));
    CHECK(meter.take(step.cost, start + step.at) == (step.want == 0ms));
  }
}

TEST_CASE("no interval of any length lets more through than burst and what comes back in it") {
  Random random(4);
  for (const auto& limit : sample_limits()) {
    CAPTURE(format(limit));
    struct Passed {
      Timestamp at;
      std::int64_t cost;
    };
    std::vector<Passed> passed;
    const auto rate = limit.rate();
    Meter meter(limit);
    auto now = start;
    for (int i = 0; i < 1500; ++i) {
      now += random.pause(limit);
      const auto cost = random.cost(limit);
      if (meter.take(cost, now)) passed.push_back({now, cost});
    }
    REQUIRE(passed.size() > 100);
    std::int64_t worst_excess = std::numeric_limits<std::int64_t>::min();
    for (std::size_t first = 0; first < passed.size(); ++first) {
      std::int64_t sum = 0;
      for (std::size_t last = first; last < passed.size(); ++last) {
        sum += passed[last].cost;
        // The closed interval from first to last: every half-open one that holds both is longer.
        const auto length = (passed[last].at - passed[first].at).count();
        worst_excess = std::max(worst_excess, sum - limit.burst - length * rate.tokens / rate.interval);
      }
    }
    CHECK(worst_excess <= 0);
  }
}

TEST_CASE("steady demand gets all that comes back, to the last token") {
  for (const auto& limit : sample_limits()) {
    CAPTURE(format(limit));
    const auto rate = limit.rate();
    Meter meter(limit);
    REQUIRE(meter.take(limit.burst, start));
    std::int64_t passed = 0;
    auto now = start;
    while (passed < std::min<std::int64_t>(limit.burst, 100)) {
      now += *retry_after(limit, refilled(limit, meter.bucket, now), 1);
      REQUIRE(meter.take(1, now));
      ++passed;
      CHECK(now - start == Milliseconds{(passed * rate.interval + rate.tokens - 1) / rate.tokens});
    }
  }
}

TEST_CASE("what is refused costs nothing: the bucket is only refilled") {
  Random random(5);
  for (const auto& limit : sample_limits()) {
    Meter meter(limit), undisturbed(limit);
    auto now = start;
    int refusals = 0;
    for (int i = 0; i < 1000; ++i) {
      now += random.pause(limit);
      const auto cost = random.cost(limit);
      const auto before = refilled(limit, meter.bucket, now);
      if (meter.take(cost, now)) {
        undisturbed.take(cost, now);
      } else {
        ++refusals;
        CHECK(meter.bucket == before);
      }
    }
    CHECK(refusals > 10);
    // A bucket that never saw the refusals is the same to the last millisecond.
    CHECK(refilled(limit, meter.bucket, now) == refilled(limit, undisturbed.bucket, now));
  }
}

TEST_CASE("retry_after is exact: one millisecond earlier does not hold, then it does") {
  Random random(6);
  for (const auto& limit : sample_limits()) {
    for (int i = 0; i < 500; ++i) {
      const auto bucket = random_bucket(random, limit);
      const auto cost = random.between(0, limit.burst);
      CAPTURE(format(limit));
      CAPTURE(format(bucket));
      CAPTURE(cost);
      const auto wait = retry_after(limit, bucket, cost);
      REQUIRE(wait);
      CHECK(holds(limit, refilled(limit, bucket, start + *wait), cost));
      if (*wait > 0ms) CHECK(!holds(limit, refilled(limit, bucket, start + *wait - 1ms), cost));
      CHECK(!retry_after(limit, bucket, limit.burst + 1));
    }
  }
}

TEST_CASE("full_after is exact: one millisecond earlier something is still used, then nothing is") {
  Random random(7);
  for (const auto& limit : sample_limits()) {
    for (int i = 0; i < 200; ++i) {
      const auto bucket = random_bucket(random, limit);
      const auto wait = full_after(limit, bucket);
      CAPTURE(format(limit));
      CAPTURE(format(bucket));
      CHECK(used_units(refilled(limit, bucket, start + wait)) == 0);
      CHECK(wait == *retry_after(limit, bucket, limit.burst));
      if (wait > 0ms) CHECK(used_units(refilled(limit, bucket, start + wait - 1ms)) > 0);
    }
  }
}

TEST_CASE("refilling in one step is refilling in any number of steps") {
  Random random(8);
  for (const auto& limit : sample_limits()) {
    for (int i = 0; i < 100; ++i) {
      const auto bucket = random_bucket(random, limit);
      auto in_steps = bucket;
      auto now = start;
      for (auto steps = random.between(1, 20); steps > 0; --steps) {
        now += random.pause(limit);
        in_steps = refilled(limit, in_steps, now);
      }
      CAPTURE(format(limit));
      CAPTURE(format(bucket));
      CHECK(in_steps == refilled(limit, bucket, now));
    }
  }
}

TEST_CASE("another limit under the same name takes over what is used, rounded up and at most its burst") {
  struct {
    std::string_view from, to;
    std::int64_t used;
    Milliseconds later;
    std::int64_t want;
  } const rows[] = {
      {"250 messages / 15m", "5000 messages / 15m", 33, 0ms, 33},
      {"250 messages / 15m", "5000 messages / 15m", 33, 1ms,
       33},  // 32.999…, refilled under the limit it was written under
      {"250 messages / 15m", "5000 messages / 15m", 33, 3600ms, 32},  // one comes back in 3.6 s there, not in 0.18 s
      {"250 messages / 15m", "5000 messages / 15m", 33, 3601ms, 32},
      {"250 messages / 15m", "10 messages / 15m", 33, 0ms, 10},  // empty, not in debt
      {"250 messages / 15m", "250 messages / 15m burst 40", 33, 1ms, 33},
      {"250 messages / 15m", "250 messages / 15m burst 400", 33, 1h, 0},
  };
  for (const auto& row : rows) {
    CAPTURE(row.to);
    CAPTURE(row.later.count());
    const auto from = limit_of(row.from), to = limit_of(row.to);
    const Bucket before{row.used, 0, from.amount, from.burst, start};
    CHECK(refilled(to, before, start + row.later) == Bucket{row.want, 0, to.amount, to.burst, start + row.later});
  }
}

TEST_CASE("changing a limit back and forth never gives anything back") {
  Random random(9);
  const auto small = limit_of("250 messages / 15m"), large = limit_of("777 messages / 15m burst 900");
  for (int i = 0; i < 500; ++i) {
    const auto before = random_bucket(random, small);
    const auto there = refilled(large, before, start);
    const auto back = refilled(small, there, start);
    CHECK(used_units(there) == used_units(before));
    CHECK(back.used == used_units(before));
  }
}

TEST_CASE("a debt is kept and repaid by refill") {
  const auto limit = limit_of("10 messages / 10s");
  const auto debt = spent(refilled(limit, std::nullopt, start), 15);
  CHECK(debt.used == 15);
  CHECK(retry_after(limit, debt, 0) == 5s);
  CHECK(retry_after(limit, debt, 1) == 6s);
  CHECK(full_after(limit, debt) == 15s);
}

TEST_CASE("a part of a unit is shown as one") {
  CHECK(used_units({33, 0, 250, 250, start}) == 33);
  CHECK(used_units({33, 1, 250, 250, start}) == 34);
  CHECK(used_units({0, 0, 250, 250, start}) == 0);
}

TEST_CASE("nothing overflows at the bounds, after a century or a clock that stepped back by one") {
  constexpr auto century = std::chrono::days{36525};
  for (const auto period : {Milliseconds{1}, Milliseconds{3}, Milliseconds{86'400'001}, longest_duration}) {
    for (const std::int64_t amount : {std::int64_t{1}, std::int64_t{2}, exact_bound - 1}) {
      const auto burst = (exact_bound - 1) / rate_of(amount, period).interval;
      const auto limit = must(Limit::make(Unit::bytes, amount, period, burst));
      CAPTURE(format(limit));
      const Bucket full{burst, 0, amount, burst, start};
      CHECK(refilled(limit, full, start + century).written == start + century);
      for (Milliseconds elapsed = century; elapsed > 0ms; elapsed /= 3)
        CHECK((used_units(refilled(limit, full, start + elapsed)) == 0) == (full_after(limit, full) <= elapsed));
      CHECK(refilled(limit, full, start - century) == Bucket{burst, 0, amount, burst, start - century});
      CHECK(refilled(limit, full, start + 1ms).used <= burst);
      CHECK(*retry_after(limit, full, burst) == full_after(limit, full));
      CHECK(refilled(limit, full, start + full_after(limit, full)).used == 0);
      CHECK(!retry_after(limit, full, std::numeric_limits<std::int64_t>::max()));
      CHECK(refilled(limit_of("1 bytes / 1s burst 5"), full, start).used == 5);
      // What a store could write it can read back, or a full bucket would be an empty one.
      CHECK(parse_bucket(format(full), period) == full);
    }
  }
}

TEST_CASE("a bucket is written as people read it, and survives being written and read") {
  CHECK(format(Bucket{33, 12, 250, 100, start}) == "33/100 12 250 1763790000000");
  Random random(10);
  for (const auto& limit : sample_limits())
    for (int i = 0; i < 200; ++i) {
      const auto bucket = random_bucket(random, limit);
      CHECK(parse_bucket(format(bucket), limit.period) == bucket);
    }
}

TEST_CASE("a text that is no bucket, or none that can be counted exactly, is not read") {
  CHECK(parse_bucket("33/250 0 250 1763790000000", 15min));
  for (const auto* text :
       {"", "33", "33/250", "33/250 0 250", "33/250 0 250 1 1", "33/250  0 250 1", "-1/250 0 250 1", "33/250 -1 250 1",
        "33/0 0 250 1", "33/250 0 0 1", "33/250 3600 250 1", "a/250 0 250 1", "33/250 0 250 x", "33/250 0 250 1.5",
        "9007199254740992/250 0 250 1", "33/9007199254740992 0 250 1", "33/250 0 250 9007199254740992",
        "2501999792984/250 0 250 1", "99999999999999999999/250 0 250 1"}) {
    CAPTURE(text);
    CHECK(!parse_bucket(text, 15min));
  }
  // used · 3600 + remainder < 2^53
  CHECK(parse_bucket("2501999792983/250 2191 250 1", 15min));
  CHECK(!parse_bucket("2501999792983/250 2192 250 1", 15min));
}

}  // namespace
}  // namespace quota
