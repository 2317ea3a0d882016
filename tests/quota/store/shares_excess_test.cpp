// What several daemons let through too much over random traffic and outages: bounded, where anything at all.
#include "tests/quota/store/outage_rig.hpp"

namespace quota::test {

using namespace outage_rig;

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

}  // namespace quota::test
