// Several daemons before the same servers, random traffic through them, and what they let through together, counted exactly against
// what the limits allow.
//
// The measure is a bucket that is charged with everything that was let through, and never with anything else: it is above its burst
// by what was let through too much, in the worst window of all.
#pragma once

#include <random>

#include "quota/store/guarded_store.hpp"
#include "tests/quota/store/contract.hpp"
#include "tests/support/spread_memory.hpp"

namespace quota::test::outage_rig {

using Fate = SpreadView::Fate;

class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}
  std::int64_t within(std::int64_t least, std::int64_t most) { return std::uniform_int_distribution<std::int64_t>(least, most)(engine_); }
  bool one_in(std::int64_t n) { return within(1, n) == 1; }
  template <class T>
  T& of(std::vector<T>& all) { return all[static_cast<std::size_t>(within(0, std::ssize(all) - 1))]; }

 private:
  std::mt19937_64 engine_;
};

inline GuardOptions by_hand(std::int64_t nodes) {
  GuardOptions options;
  options.nodes = nodes;
  options.charge_back_every = Milliseconds{0};
  return options;
}

/// Several daemons before the same servers.
class Field {
 public:
  Field(std::size_t nodes, std::size_t servers) : memory(clock, servers) {
    while (daemons.size() < nodes) daemons.push_back(std::make_unique<Daemon>(memory, static_cast<std::int64_t>(nodes)));
  }
  struct Daemon {
    Daemon(SpreadMemory& memory, std::int64_t nodes) : view(memory), store(view, by_hand(nodes), 7) {}
    SpreadView view;
    GuardedStore store;
  };
  /// One bucket, and all that was let through on its account.
  struct Measure {
    Bucket bucket{};
    std::int64_t burst = 0;
    std::int64_t most = 0;  // that it ever held
    /// In whole bursts of its limit, ×100: 0 is nothing too much, 100 one limit's worth.
    [[nodiscard]] std::int64_t percent_over() const { return std::max<std::int64_t>(0, most - burst) * 100 / burst; }
    [[nodiscard]] std::int64_t over() const { return std::max<std::int64_t>(0, most - burst); }
  };

  ManualClock clock{start};
  SpreadMemory memory;
  std::vector<std::unique_ptr<Daemon>> daemons{};
  std::map<std::string, Measure> measures{};

  std::int64_t given_by_shares = 0;

  bool send(Daemon& daemon, const std::vector<Charge>& charges) {
    const auto outcome = answered(daemon.store.take(charges));
    for (std::size_t i = 0; i < charges.size(); ++i) {
      if (!Holding{outcome.enforced_taken, outcome.observed_taken}.takes(charges[i])) continue;
      measure(charges[i]);
      if (outcome.charges[i].is_from_share()) given_by_shares += charges[i].cost;
    }
    return outcome.enforced_taken;
  }
  void everywhere(Fate fate) {
    for (auto& daemon : daemons) daemon->view.fate = [fate](std::size_t) { return fate; };
  }
  void charge_back() {
    for (auto& daemon : daemons) daemon->store.charge_back();
  }
  void see(const Charge& charge) {
    for (auto& daemon : daemons) (void)answered(daemon->store.peek(std::vector{charge}));
  }

 private:
  void measure(const Charge& charge) {
    auto& measure = measures[charge.identity.text() + " " + bucket_field(charge.quota, charge.limit)];
    if (measure.burst == 0) measure.bucket = refilled(charge.limit, std::nullopt, clock.now());
    measure.burst = charge.limit.burst;
    measure.bucket = spent(refilled(charge.limit, measure.bucket, clock.now()), charge.cost);
    measure.most = std::max(measure.most, used_units(measure.bucket));
  }
};

/// One sender, one limit, traffic well above it at random moments on random daemons.
struct Traffic {
  Traffic(Field& of, Random& by, const Limit& its) : field(of), random(by), limit(its) {}
  Field& field;
  Random& random;
  Limit limit;

  Charge charge() {
    const auto share = std::max<std::int64_t>(limit.burst / std::ssize(field.daemons), 1);
    return test::charge(user("alice"), limit, random.within(1, std::max<std::int64_t>(share / 4, 1)));
  }
  void flow(Milliseconds during) {
    const auto end = field.clock.now() + during;
    while (field.clock.now() < end) {
      for (auto burst = random.within(1, 2 * limit.burst); burst > 0; --burst) (void)field.send(*random.of(field.daemons), {charge()});
      field.clock.advance(Milliseconds{random.within(1, std::max<std::int64_t>(during.count() / 4, 2))});
    }
  }
};

inline Limit some_limit(Random& random, std::size_t nodes) {
  const auto burst = std::ssize(std::vector<int>(nodes)) * random.within(1, 12) + random.within(0, 5);
  return messages(random.within(5, 300), Milliseconds{random.within(10'000, 3'600'000)}, burst);
}

/// Every daemon charges back, settles and charges the rest back.
inline void recover(Field& field) {
  field.everywhere(Fate::answered);
  field.charge_back();
  field.clock.advance(Shares::settling);
  field.charge_back();
}

}  // namespace quota::test::outage_rig
