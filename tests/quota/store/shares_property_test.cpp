// What several daemons let through together, counted exactly against what the limits allow, over random traffic and outages.
//
// The measure is a bucket that is charged with everything that was let through, and never with anything else: it is above its burst
// by what was let through too much, in the worst window of all.
#include <random>

#include "quota/store/guarded_store.hpp"
#include "tests/quota/store/contract.hpp"
#include "tests/support/spread_memory.hpp"

namespace quota::test {
namespace {

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

GuardOptions by_hand(std::int64_t nodes) {
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

Limit some_limit(Random& random, std::size_t nodes) {
  const auto burst = std::ssize(std::vector<int>(nodes)) * random.within(1, 12) + random.within(0, 5);
  return messages(random.within(5, 300), Milliseconds{random.within(10'000, 3'600'000)}, burst);
}

/// Every daemon charges back, settles and charges the rest back.
void recover(Field& field) {
  field.everywhere(Fate::answered);
  field.charge_back();
  field.clock.advance(Shares::settling);
  field.charge_back();
}

}  // namespace

TEST_CASE("an outage lets nothing through too much where every daemon knew the level") {
  std::int64_t sent = 0;
  for (std::uint64_t seed = 1; seed <= 150; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    const auto nodes = static_cast<std::size_t>(random.within(1, 6));
    Field field(nodes, 1);
    Traffic traffic(field, random, some_limit(random, nodes));
    for (int outage = 0; outage < 3; ++outage) {
      if (!random.one_in(3)) traffic.flow(Milliseconds{random.within(1, 2'000'000)});
      field.see(traffic.charge());
      field.everywhere(Fate::unreachable);
      traffic.flow(Milliseconds{random.within(1, 8 * 3'600'000)});
      recover(field);
    }
    traffic.flow(Milliseconds{random.within(1, 1'000'000)});
    for (const auto& [name, measure] : field.measures) {
      CHECK(measure.over() == 0);
      sent += measure.most;
    }
    for (const auto& daemon : field.daemons) CHECK(daemon->store.shares() == 0);
  }
  CHECK(sent > 0);
}

TEST_CASE("an outage lets at most one limit's worth through where a daemon did not know the level") {
  std::int64_t worst = 0;
  for (std::uint64_t seed = 1; seed <= 150; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    const auto nodes = static_cast<std::size_t>(random.within(2, 6));
    Field field(nodes, 1);
    Traffic traffic(field, random, some_limit(random, nodes));
    // One daemon had all the traffic before, or there was none.
    auto first = std::move(field.daemons.front());
    std::vector<std::unique_ptr<Field::Daemon>> others = std::exchange(field.daemons, {});
    others.erase(others.begin());
    field.daemons.push_back(std::move(first));
    if (!random.one_in(5)) traffic.flow(Milliseconds{random.within(1, 1'000'000)});
    for (auto& other : others) field.daemons.push_back(std::move(other));
    field.everywhere(Fate::unreachable);
    traffic.flow(Milliseconds{random.within(1, 8 * 3'600'000)});
    recover(field);
    traffic.flow(Milliseconds{random.within(1, 1'000'000)});
    for (const auto& [name, measure] : field.measures) {
      CHECK(measure.percent_over() <= 100);
      worst = std::max(worst, measure.percent_over());
    }
  }
  MESSAGE("the most that was let through too much: " << worst << " % of a limit");
  CHECK(worst > 30);  // or the test would prove nothing
}

TEST_CASE("a sender who goes on while the shares settle gets no more than they give in that moment") {
  std::int64_t worst = 0;
  for (std::uint64_t seed = 1; seed <= 150; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    const auto nodes = static_cast<std::size_t>(random.within(2, 6));
    Field field(nodes, 1);
    Traffic traffic(field, random, some_limit(random, nodes));
    field.see(traffic.charge());
    field.everywhere(Fate::unreachable);
    traffic.flow(Milliseconds{random.within(1, 3'600'000)});
    field.everywhere(Fate::answered);
    field.given_by_shares = 0;
    const auto returned = field.clock.now();
    field.charge_back();
    traffic.flow(Shares::settling);
    field.clock.advance(Shares::settling);
    field.charge_back();
    const auto settled = field.clock.now() - returned;
    traffic.flow(Milliseconds{random.within(1, 1'000'000)});
    for (const auto& [name, measure] : field.measures) {
      const auto back = traffic.limit.amount * settled.count() / traffic.limit.period.count() + 1;  // it is refilled there and here
      CHECK(measure.over() <= field.given_by_shares + back);
      worst = std::max(worst, measure.percent_over());
    }
  }
  MESSAGE("the most that was let through too much: " << worst << " % of a limit");
}

TEST_CASE("a sender who is at his limit everywhere gains nothing from daemons that do not return at the same moment") {
  Field field(4, 1);
  const auto one = charge(user("alice"), messages(100, 1h, 100), 1);
  const auto try_everywhere = [&] {
    for (auto& daemon : field.daemons) (void)field.send(*daemon, {one});
  };
  field.everywhere(Fate::unreachable);
  for (int i = 0; i < 600; ++i, field.clock.advance(1s)) try_everywhere();
  field.everywhere(Fate::answered);
  for (auto at = 0ms; at < 2s; at += 10ms, field.clock.advance(10ms)) {
    // Each has noticed after up to 250 ms, and looks every 200 ms whether anything is due.
    for (std::size_t i = 0; i < 4; ++i)
      if (const auto noticed = 80ms * i; at >= noticed && (at - noticed) % 200ms == 0ms) field.daemons[i]->store.charge_back();
    try_everywhere();
  }
  for (const auto& daemon : field.daemons) CHECK(daemon->store.shares() == 0);
  CHECK(field.measures.begin()->second.over() <= 1);
}

TEST_CASE("daemons that return one after the other add at most what the last of them still owe") {
  std::int64_t worst = 0;
  for (std::uint64_t seed = 1; seed <= 150; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    const auto nodes = static_cast<std::size_t>(random.within(2, 6));
    Field field(nodes, 1);
    Traffic traffic(field, random, some_limit(random, nodes));
    field.everywhere(Fate::unreachable);
    traffic.flow(Milliseconds{random.within(1, 3'600'000)});
    field.everywhere(Fate::answered);
    // Nobody waits for anybody: each goes through all of its return before the next begins.
    Milliseconds apart{0};
    for (auto& daemon : field.daemons) {
      daemon->store.charge_back();
      field.clock.advance(Shares::settling);
      apart += Shares::settling;
      daemon->store.charge_back();
      for (int i = 0; i < 2 * traffic.limit.burst; ++i) (void)field.send(*random.of(field.daemons), {traffic.charge()});
    }
    for (const auto& [name, measure] : field.measures) {
      const auto back = traffic.limit.amount * apart.count() / traffic.limit.period.count() + 1;
      CHECK(measure.over() <= traffic.limit.burst + back);
      worst = std::max(worst, measure.percent_over());
    }
  }
  MESSAGE("the most that was let through too much: " << worst << " % of a limit");
}

TEST_CASE("daemons that are cut off while others reach the store add their share of it, and no more") {
  std::int64_t worst = 0;
  for (std::uint64_t seed = 1; seed <= 150; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    const auto nodes = static_cast<std::size_t>(random.within(2, 6));
    const auto cut_off = static_cast<std::size_t>(random.within(1, static_cast<std::int64_t>(nodes) - 1));
    Field field(nodes, 1);
    Traffic traffic(field, random, some_limit(random, nodes));
    for (std::size_t i = 0; i < cut_off; ++i) field.daemons[i]->view.fate = [](std::size_t) { return Fate::unreachable; };
    const auto begin = field.clock.now();
    traffic.flow(Milliseconds{random.within(1, 8 * 3'600'000)});
    const auto lasted = field.clock.now() - begin;
    for (const auto& [name, measure] : field.measures) {
      // cut_off/nodes of what the limit gives in that time.
      const auto& limit = traffic.limit;
      const auto given = static_cast<double>(limit.burst) + static_cast<double>(limit.amount) * static_cast<double>(lasted.count()) /
                                                                static_cast<double>(limit.period.count());
      CHECK(static_cast<double>(measure.over()) <= given * static_cast<double>(cut_off) / static_cast<double>(nodes) + 1);
      worst = std::max(worst, measure.percent_over());
    }
    recover(field);
    field.see(traffic.charge());
    CHECK(field.daemons[0]->store.shares() == 0);
  }
  CHECK(worst > 0);
}

TEST_CASE("servers that come and go, with answers that are lost, let at most one limit's worth an outage through") {
  std::int64_t worst = 0;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    const auto nodes = static_cast<std::size_t>(random.within(1, 5));
    Field field(nodes, 3);
    const auto per_user = some_limit(random, nodes), per_domain = some_limit(random, nodes), for_all = some_limit(random, nodes);
    const auto send_some = [&](int messages) {
      for (int i = 0; i < messages; ++i) {
        const auto sender = test::charge(user("u" + std::to_string(random.within(1, 3))), per_user, 1);
        (void)field.send(*random.of(field.daemons), {sender, test::charge(domain(), per_domain, 1), observed(test::charge(everyone_identity(), for_all, 1))});
        if (random.one_in(3)) field.clock.advance(Milliseconds{random.within(1, 60'000)});
      }
    };
    send_some(100);
    // One or two of three servers leave, for all daemons; some of the last questions to them are lost, or carried out unheard.
    std::vector<bool> is_away{random.one_in(2), random.one_in(2), true};
    std::int64_t dying = 20;
    for (auto& daemon : field.daemons)
      daemon->view.fate = [&](std::size_t server) {
        if (!is_away[server]) return Fate::answered;
        if (dying <= 0) return Fate::unreachable;
        --dying;
        return random.one_in(2) ? Fate::unheard : Fate::lost;
      };
    send_some(300);
    field.everywhere(Fate::answered);
    field.charge_back();
    send_some(20);
    field.clock.advance(Shares::settling);
    field.charge_back();
    send_some(100);
    for (const auto& row : field.measures) {
      const auto& [name, measure] = row;
      CAPTURE(row.first);
      // A commit that was lost is one message that no server was charged with.
      CHECK(measure.over() <= measure.burst + 20);
      worst = std::max(worst, measure.percent_over());
    }
    for (const auto& daemon : field.daemons) CHECK(daemon->store.shares() == 0);
  }
  MESSAGE("the most that was let through too much: " << worst << " % of a limit");
}

TEST_CASE("a share is refilled by the time that passes, however the store's clock jitters or jumps between two messages") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    Field field(1, 1);
    auto& daemon = *field.daemons[0];
    std::int64_t jump_ms = 0;
    daemon.view.clock_error = [&] { return Milliseconds{jump_ms + random.within(-50, 50)}; };
    const auto limit = messages(random.within(10, 2'000), Milliseconds{random.within(1'000, 10'000)}, random.within(10, 500));
    const auto begin = field.clock.now();
    field.everywhere(Fate::unreachable);
    std::int64_t accepted = 0, tried = 0;
    for (; field.clock.now() < begin + 120s; field.clock.advance(Milliseconds{random.within(0, 3)}), ++tried) {
      accepted += answered(daemon.store.take(std::vector{charge(everyone_identity(), limit, 1)})).enforced_taken ? 1 : 0;
      if (random.one_in(5'000)) jump_ms = 3'600'000 * random.within(-1, 1);
    }
    const auto given = limit.burst + limit.amount * (field.clock.now() - begin).count() / limit.period.count();
    CHECK(accepted <= given + 1);
    if (tried > 2 * given) CHECK(accepted >= given - 2);  // nor does it stop
  }
}

TEST_CASE("whoever keeps to 40 % of his share is never refused: not in an outage of 8 hours, not after it, not when it comes and goes") {
  constexpr std::size_t nodes = 4;
  constexpr int senders = 50;
  int sent = 0;
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    Field field(nodes, 3);
    const auto limit = messages(100, 1h, 100);  // a share: 25 an hour; 40 % of it: 10, one each 6 minutes
    const auto of_all = messages(100 * senders, 1h, 100 * senders);
    const auto of_domain = messages(40 * senders, 1h, 40 * senders);
    std::vector<bool> is_away(3, false);
    for (auto& daemon : field.daemons)
      daemon->view.fate = [&](std::size_t server) {
        if (!is_away[server]) return random.one_in(1'000) ? Fate::unheard : Fate::answered;
        return random.one_in(50) ? Fate::lost : Fate::unreachable;
      };
    const auto send_for = [&](Milliseconds during) {
      for (const auto end = field.clock.now() + during; field.clock.now() < end; field.clock.advance(360'000ms / senders))
        for (auto& daemon : field.daemons) {
          const auto who = static_cast<int>((field.clock.now() - start) / (360'000ms / senders)) % senders;
          const auto sender = charge(user("u" + std::to_string(who)), limit, 1);
          if (!field.send(*daemon, {sender, charge(domain(), of_domain, 1), charge(everyone_identity(), of_all, 1)}))
            FAIL_CHECK("refused after " << (field.clock.now() - start).count() << " ms: " << sender.identity.text());
          ++sent;
          if (random.one_in(10)) daemon->store.charge_back();
        }
    };
    send_for(Milliseconds{random.within(0, 7'200'000)});
    for (int outage = 0; outage < 3; ++outage) {
      for (auto server = is_away.begin(); server != is_away.end(); ++server) *server = random.one_in(2);
      send_for(seed % 4 == 0 && outage == 0 ? Milliseconds{8h} : Milliseconds{random.within(1, 3'600'000)});
      is_away.assign(3, false);
      send_for(Milliseconds{random.within(1, 1'000'000)});
    }
  }
  MESSAGE(sent << " messages, none refused");
}

TEST_CASE("many at once are let through as one after the other") {
  ManualClock clock(start);
  SpreadMemory memory(clock, 3);
  SpreadView view(memory);
  std::atomic<bool> is_away{false};
  view.fate = [&](std::size_t) { return is_away ? Fate::unreachable : Fate::answered; };
  GuardOptions options;
  options.nodes = 4;
  options.charge_back_every = 1ms;
  GuardedStore store(view, std::move(options), 7);
  const auto limit = messages(1'000, 8'760h, 1'000);
  std::atomic<int> accepted{0};
  const auto send = [&](const std::string& name) {
    const std::vector charges{charge(user(name), limit, 1), charge(domain(), messages(100'000, 1h, 100'000), 1)};
    for (int i = 0; i < 2'000; ++i) accepted += answered(store.take(charges)).enforced_taken ? 1 : 0;
  };
  is_away = true;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) threads.emplace_back([&] { send("alice"); });
  }
  CHECK(accepted == 250);  // exactly the share
  is_away = false;
  while (store.shares() > 0) {
    clock.advance(100ms);
    std::this_thread::sleep_for(1ms);
  }
  accepted = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) threads.emplace_back([&] { send("alice"); });
  }
  CHECK(accepted >= 750);
  CHECK(accepted <= 750 + 3);  // on several servers, what is in flight
}

}  // namespace quota::test
