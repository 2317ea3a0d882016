// GuardedStore on servers that a test takes away: who judges what, and what the store holds afterwards.
// Bounds over random traffic: shares_excess_test.cpp.
#include "quota/store/guarded_store.hpp"

#include "tests/quota/store/contract.hpp"
#include "tests/support/spread_memory.hpp"

namespace quota::test {
namespace {

using Fate = SpreadView::Fate;

/// One daemon before servers in memory; each of them can be away.
struct World {
  explicit World(std::int64_t nodes, std::size_t servers = 1, InPlaceOfStore in_place = InPlaceOfStore::share)
      : memory(clock, servers), away(servers, false), store(view, options(nodes, in_place), 7) {
    view.fate = [this](std::size_t server) { return away[server] ? Fate::unreachable : Fate::answered; };
  }
  GuardOptions options(std::int64_t nodes, InPlaceOfStore in_place) {
    GuardOptions options;
    options.in_place = in_place;
    options.nodes = nodes;
    options.charge_back_every = Milliseconds{0};
    return options;
  }

  ManualClock clock{start};
  SpreadMemory memory;
  SpreadView view{memory};
  std::vector<bool> away;
  GuardedStore store;

  Outcome take(const std::vector<Charge>& charges) { return answered(store.take(charges)); }
  int accepted_of(int tries, const std::vector<Charge>& charges) {
    int accepted = 0;
    for (int i = 0; i < tries; ++i) accepted += take(charges).enforced_taken ? 1 : 0;
    return accepted;
  }
  int accepted_of(int tries, const Charge& one) { return accepted_of(tries, std::vector{one}); }
  /// As its thread does when the store is back.
  void recover() {
    store.charge_back();
    clock.advance(Shares::settling);
    store.charge_back();
  }
  std::int64_t used(const Charge& one) { return used_units(memory.bucket(one)); }
};

const Limit hundred = messages(100, 1h, 100);
const auto alice = charge(user("alice"), hundred, 1);
const auto everybody = charge(everyone_identity(), messages(1'000, 1h, 1'000), 1);
const auto of_domain = charge(domain(), messages(400, 1h, 400), 1);

}  // namespace

TEST_CASE("while the store answers it is asked one question for what lies together, and its answer is passed on as it is") {
  World world(4);
  const auto outcome = world.take({alice, of_domain, everybody});
  CHECK(outcome.enforced_taken);
  CHECK(outcome.outage.empty());
  for (const auto& taken : outcome.charges) CHECK_FALSE(taken.is_from_share());
  CHECK(world.view.takes == 1);
  CHECK(world.view.looks + world.view.commits == 0);
  CHECK(world.accepted_of(200, alice) == 99);
  CHECK(answered(world.store.take({})).enforced_taken);
}

TEST_CASE("what lies on several servers is looked at, decided, and taken from all or from none") {
  World world(4, 3);
  CHECK(world.take({alice, of_domain, everybody}).enforced_taken);
  CHECK(world.view.takes == 0);
  CHECK(world.view.looks == 1);
  CHECK(world.view.commits == 1);
  CHECK(world.accepted_of(1, alice) == 1);  // one identity: one question
  CHECK(world.view.takes == 1);
  world.memory.fill(of_domain, 400);
  const auto refused = world.take({alice, of_domain, everybody});
  CHECK_FALSE(refused.enforced_taken);
  CHECK(world.used(alice) == 2);
  CHECK(world.used(everybody) == 1);
  CHECK(refused.charges[1].bucket.used == 400);
}

TEST_CASE("groups are decided across servers as one store decides them, and refusals are counted there") {
  World world(4, 3);
  const auto counted = counted_in(of_domain, 10min);
  struct {
    std::int64_t used;  // of the domain's 400
    std::vector<Charge> charges;
    bool enforced, observed;
    std::int64_t refusals, alice_after;
  } const rows[] = {
      {0, {alice, counted}, true, true, 0, 1},
      {400, {alice, counted}, false, false, 1, 1},
      {400, {alice, counted}, false, false, 2, 1},
      {400, {alice, observed(of_domain)}, true, false, 0, 2},
      {0, {alice, observed(of_domain)}, true, true, 0, 3},
  };
  for (const auto& row : rows) {
    world.memory.fill(of_domain, row.used);
    const auto outcome = world.take(row.charges);
    CHECK(outcome.enforced_taken == row.enforced);
    CHECK(outcome.observed_taken == row.observed);
    CHECK(outcome.charges[1].refusals == row.refusals);
    CHECK(world.used(alice) == row.alice_after);
    CHECK(world.used(of_domain) == row.used + (row.observed ? 1 : 0));
  }
}

TEST_CASE("while the store is away this daemon gives its share, from the level it saw last, and says why") {
  World world(4);
  CHECK(world.accepted_of(40, alice) == 40);
  world.away[0] = true;
  CHECK(world.accepted_of(100, alice) == 15);
  const auto refused = world.take({alice});
  CHECK(refused.outage == "nobody there");
  CHECK(refused.charges[0].is_from_share());
  CHECK(refused.outage == "nobody there");
  CHECK(world.accepted_of(100, charge(user("bob"), hundred, 1)) == 25);  // never seen: full
  world.clock.advance(1h);
  CHECK(world.accepted_of(100, alice) == 25);
}

TEST_CASE("afterwards the deficit is charged back, and until then the share goes on to judge") {
  World world(4);
  CHECK(world.accepted_of(40, alice) == 40);
  world.away[0] = true;
  CHECK(world.accepted_of(10, alice) == 10);
  world.store.charge_back();
  CHECK(world.used(alice) == 40);
  world.away[0] = false;
  CHECK(world.accepted_of(100, alice) == 5);  // not the store's 60, and then 15
  CHECK(world.take({alice}).outage == "nobody there");
  CHECK(world.used(alice) == 40);
  world.store.charge_back();
  CHECK(world.used(alice) == 55);
  CHECK(world.take({alice}).outage == "what was sent while the store had no answer is not charged back yet");
  CHECK(world.accepted_of(100, alice) == 0);  // the other daemons have not charged back yet
  world.clock.advance(Shares::settling);
  world.store.charge_back();
  CHECK(world.store.shares() == 0);
  CHECK(world.accepted_of(100, alice) == 45);
  CHECK(world.take({alice}).outage.empty());
}

TEST_CASE("what was sent long ago and has come back since is not charged") {
  World world(4);
  world.away[0] = true;
  int sent = 0;
  for (int minute = 0; minute < 8 * 60; minute += 3, world.clock.advance(3min)) sent += world.accepted_of(1, alice);
  CHECK(sent == 160);
  world.away[0] = false;
  world.recover();
  CHECK(world.used(alice) == 0);
  CHECK(world.accepted_of(200, alice) == 100);
}

TEST_CASE("charging back goes down to empty and no further") {
  World world(4);
  world.away[0] = true;
  CHECK(world.accepted_of(100, alice) == 25);
  world.memory.fill(alice, 90);  // by daemons that could reach it
  world.away[0] = false;
  world.recover();
  CHECK(world.used(alice) == 100);
}

TEST_CASE("a message that is charged to several records is judged by shares only where a record has no answer") {
  World world(4, 3);
  CHECK(world.take({alice, of_domain, everybody}).enforced_taken);
  world.away[2] = true;  // everyone's
  const auto outcome = world.take({alice, of_domain, everybody});
  CHECK(outcome.enforced_taken);
  CHECK(outcome.outage == "nobody there");
  CHECK_FALSE(outcome.charges[0].is_from_share());
  CHECK_FALSE(outcome.charges[1].is_from_share());
  CHECK(outcome.charges[2].is_from_share());
  CHECK(world.used(alice) == 2);
  CHECK(world.used(of_domain) == 2);
  CHECK(world.used(everybody) == 1);
  CHECK(world.accepted_of(1, alice) == 1);  // hers is there: asked as ever
  CHECK(world.take({alice}).outage.empty());
  world.away[2] = false;
  world.recover();
  CHECK(world.used(everybody) == 2);
}

TEST_CASE("a share that is used up refuses what the store would take, and takes nothing of it") {
  World world(4, 3);
  world.memory.fill(everybody, 1'000);
  CHECK_FALSE(world.take({alice, everybody}).enforced_taken);
  world.away[2] = true;
  const auto refused = world.take({counted_in(alice, 10min), counted_in(everybody, 10min)});
  CHECK_FALSE(refused.enforced_taken);
  CHECK(refused.charges[1].is_from_share());
  CHECK(refused.charges[1].refusals == 0);
  CHECK(world.used(alice) == 0);
  CHECK(world.store.shares() == 0);
}

TEST_CASE("what the store refuses is taken from no share, and is counted") {
  World world(4, 3);
  world.memory.fill(alice, 100);
  world.away[2] = true;
  const auto refused = world.take({counted_in(alice, 10min), everybody});
  CHECK_FALSE(refused.enforced_taken);
  CHECK_FALSE(refused.charges[0].is_from_share());
  CHECK(refused.charges[0].refusals == 1);
  CHECK(world.store.shares() == 0);
}

TEST_CASE("a question that was carried out and not heard of is judged by the share and not asked again") {
  World world(4);
  CHECK(world.accepted_of(40, alice) == 40);
  world.view.fate = [](std::size_t) { return Fate::unheard; };
  CHECK(world.accepted_of(1, alice) == 1);
  CHECK(world.view.takes == 41);
  CHECK(world.used(alice) == 41);
  world.view.fate = [](std::size_t) { return Fate::answered; };
  world.recover();
  CHECK(world.used(alice) == 42);  // once too often: nobody could know
}

TEST_CASE("a charging back that was not heard of is not repeated") {
  for (const auto fate : {Fate::unheard, Fate::lost}) {
    CAPTURE(static_cast<int>(fate));
    World world(4);
    world.away[0] = true;
    CHECK(world.accepted_of(10, alice) == 10);
    int questions = 0;
    world.view.fate = [&](std::size_t) { return ++questions == 1 ? Fate::answered : fate; };  // the look is answered
    world.recover();
    CHECK(world.store.shares() == 0);
    CHECK(world.view.repays == 1);
    CHECK(world.used(alice) == (fate == Fate::unheard ? 10 : 0));
    // The next outage begins with the level that the store must be thought to have.
    world.view.fate = [](std::size_t) { return Fate::unreachable; };
    CHECK(world.accepted_of(100, alice) == 22);
  }
}

TEST_CASE("nothing is charged back to a server that hangs") {
  World world(4);
  world.away[0] = true;
  CHECK(world.accepted_of(10, alice) == 10);
  world.view.fate = [](std::size_t) { return Fate::lost; };
  world.store.charge_back();
  CHECK(world.view.repays == 0);
  CHECK(world.store.shares() == 1);
}

TEST_CASE("what one server is owed is charged back at once, however much another one that is away is owed") {
  World world(4, 3);
  const auto of_the_dead = world.memory.server_of(alice.identity);
  const auto of_the_other = world.memory.server_of(everybody.identity);
  REQUIRE(of_the_dead != of_the_other);
  world.away = {true, true, true};
  for (int i = 0; i < 200; ++i) CHECK(world.accepted_of(1, charge(user("u" + std::to_string(i)), hundred, 1)) == 1);
  CHECK(world.accepted_of(1, everybody) == 1);
  world.away[of_the_other] = false;
  world.store.charge_back();
  CHECK(world.used(everybody) == 1);
  CHECK(world.used(charge(user("u0"), hundred, 1)) == 0);
}

TEST_CASE("a commit that was not done is owed, and one that may have been is not") {
  struct {
    Fate fate;
    std::int64_t want;  // used of everyone's after all
  } const rows[] = {{Fate::unreachable, 1}, {Fate::unheard, 1}, {Fate::lost, 0}};
  for (const auto& row : rows) {
    World world(4, 3);
    world.view.fate = [&](std::size_t server) { return server == 2 && world.view.commits > 0 ? row.fate : Fate::answered; };
    const auto outcome = world.take({alice, everybody});
    CHECK(outcome.enforced_taken);
    CHECK_FALSE(outcome.outage.empty());
    world.view.fate = [](std::size_t) { return Fate::answered; };
    world.recover();
    CHECK(world.used(alice) == 1);
    CHECK(world.used(everybody) == row.want);
  }
}

TEST_CASE("with on_failure = accept or tempfail no share judges: the caller gets the error, and nothing is taken") {
  World world(4, 3, InPlaceOfStore::nobody);
  world.away[2] = true;
  for (const auto& charges : {std::vector{alice, everybody}, std::vector{everybody}}) {
    const auto answer = world.store.take(charges);
    REQUIRE_FALSE(answer.has_value());
    CHECK(answer.error().text == "nobody there");
  }
  CHECK(world.used(alice) == 0);
  CHECK(world.take({alice}).enforced_taken);
}

TEST_CASE("a look ahead changes nothing, whoever answers it") {
  World world(4, 3);
  for (const bool is_away : {false, true}) {
    world.away = {is_away, is_away, is_away};
    for (const auto& charges : {std::vector{alice, everybody}, std::vector{alice}}) {
      const auto outcome = answered(world.store.peek(charges));
      CHECK(outcome.enforced_taken);
      CHECK(outcome.charges[0].is_from_share() == is_away);
    }
  }
  CHECK(world.store.shares() == 0);
  CHECK(world.used(alice) == 0);
  // What it saw is what the store holds, and not one more.
  world.away = {false, false, false};
  world.memory.fill(alice, 40);
  CHECK(answered(world.store.peek(std::vector{alice})).enforced_taken);
  world.away[0] = true;
  CHECK(world.accepted_of(100, alice) == 15);
}

TEST_CASE("held messages are counted here while the store does not, so the hold queue keeps its bottom") {
  World world(4);
  const auto hold = [&](std::int64_t most) { return answered(world.store.hold(alice.identity, "mx1", most)); };
  CHECK(hold(2) == 1);
  world.away[0] = true;
  CHECK(hold(2) == 1);
  CHECK(hold(2) == 2);
  CHECK(hold(2) == 3);  // no room
  CHECK(answered(world.store.hold(alice.identity, "mx2", 2)) == 1);
  world.away[0] = false;
  CHECK(hold(2) == 2);
  world.away[0] = true;
  CHECK(hold(2) == 1);
}

TEST_CASE("the number of nodes may change; what is in use keeps the one it began with") {
  World world(4);
  world.away[0] = true;
  CHECK(world.accepted_of(5, alice) == 5);
  world.store.set_nodes(10);
  CHECK(world.accepted_of(100, alice) == 20);
  CHECK(world.accepted_of(100, charge(user("bob"), hundred, 1)) == 10);
}

TEST_CASE("its own thread charges back as soon as the store answers") {
  ManualClock clock(start);
  SpreadMemory memory(clock, 1);
  SpreadView view(memory);
  std::atomic<bool> is_away{true};
  view.fate = [&](std::size_t) { return is_away ? Fate::unreachable : Fate::answered; };
  GuardOptions options;
  options.nodes = 4;
  options.charge_back_every = 1ms;
  GuardedStore store(view, std::move(options), 7);
  for (int i = 0; i < 10; ++i) CHECK(answered(store.take(std::vector{alice})).enforced_taken);
  is_away = false;
  const auto used = [&] {
    const std::lock_guard lock(memory.mutex);
    return used_units(memory.bucket(alice));
  };
  while (used() == 0) std::this_thread::yield();
  CHECK(used() == 10);
}

}  // namespace quota::test
