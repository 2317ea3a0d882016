// What a share gives to those who keep within it: all of it, exactly, over random traffic and outages.
// What several daemons let through too much: shares_excess_test.cpp.
#include "tests/quota/store/outage_rig.hpp"

namespace quota::test {

using namespace outage_rig;

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
