// What a restart in an outage makes of the shares that were given before it. The file: kept_shares_test.cpp.
#include "quota/store/guarded_store.hpp"

#include <atomic>

#include "tests/quota/store/contract.hpp"
#include "tests/support/scripted_ledger.hpp"
#include "tests/support/spread_memory.hpp"
#include "tests/support/temporary_folder.hpp"

namespace quota::test {
namespace {

using Fate = SpreadView::Fate;

const auto alice = charge(user("alice"), messages(100, 1h, 100), 1);

/// A daemon that is ended and started again before one server.
struct Restarted {
  std::unique_ptr<GuardedStore> daemon(std::int64_t nodes = 4, Milliseconds charge_back_every = 0ms) {
    GuardOptions options;
    options.nodes = nodes;
    options.charge_back_every = charge_back_every;
    options.kept_shares = folder.path() / "shares";
    options.host_now = [this] { return clock.now(); };
    options.report = [this](const std::string& problem) { problems.push_back(problem); };
    return std::make_unique<GuardedStore>(view, std::move(options), 7);
  }
  /// How many of alice's tries a daemon lets through.
  int accepted(GuardedStore& store, int tries) {
    int count = 0;
    for (int i = 0; i < tries; ++i) count += answered(store.take(std::vector{alice})).enforced_taken ? 1 : 0;
    return count;
  }
  void charge_back(GuardedStore& store) {
    store.charge_back();
    clock.advance(Shares::settling);
    store.charge_back();
  }
  std::int64_t used() { return used_units(memory.bucket(alice)); }
  std::int64_t used_now() {
    const std::lock_guard lock(memory.mutex);
    return used();
  }

  ::test::TemporaryFolder folder;
  std::vector<std::string> problems{};
  ManualClock clock{start};
  SpreadMemory memory{clock, 1};
  SpreadView view{memory};
};

}  // namespace

TEST_CASE("a restart in an outage gives nobody a second share, and what was sent before it is charged back") {
  Restarted world;
  world.view.fate = [](std::size_t) { return Fate::unreachable; };
  for (const int want : {25, 0, 0}) {
    const auto daemon = world.daemon();
    CHECK(world.accepted(*daemon, 100) == want);
    daemon->stop();
  }
  world.clock.advance(36min);  // 60 of 100 have come back, a quarter of them here
  auto last = world.daemon();
  CHECK(world.accepted(*last, 100) == 15);
  last.reset();
  last = world.daemon();
  world.view.fate = [](std::size_t) { return Fate::answered; };
  world.charge_back(*last);
  CHECK(last->shares() == 0);
  CHECK(world.used() == 25);  // 40 were sent, and 15 of them have come back
}

TEST_CASE("what is kept is charged back once, whenever the daemon dies") {
  Restarted world;
  world.view.fate = [](std::size_t) { return Fate::unreachable; };
  {
    const auto daemon = world.daemon();
    CHECK(world.accepted(*daemon, 20) == 20);
  }
  world.view.fate = [](std::size_t) { return Fate::answered; };
  const auto path = world.folder.path() / "shares";
  REQUIRE(std::filesystem::exists(path));
  const auto daemon = world.daemon();
  CHECK(std::filesystem::exists(path));
  daemon->charge_back();
  CHECK(world.used() == 20);
  CHECK_FALSE(std::filesystem::exists(path));  // a crash from here on loses a rest, and doubles nothing
}

TEST_CASE("shares of another daemon's folder are neither recalled nor taken away") {
  Restarted world;
  world.view.fate = [](std::size_t) { return Fate::unreachable; };
  const auto path = world.folder.path() / "shares";
  CHECK(world.accepted(*world.daemon(), 20) == 20);
  REQUIRE(std::filesystem::exists(path));
  const auto owner = lock_state_folder(world.folder.path());
  REQUIRE(owner.has_value());
  const auto other = world.daemon();
  REQUIRE(world.problems.size() == 1);
  CHECK(world.problems[0].find("in use by another sendquotad") != std::string::npos);
  CHECK(other->shares() == 0);
  CHECK(world.accepted(*other, 100) == 25);
  world.view.fate = [](std::size_t) { return Fate::answered; };
  world.charge_back(*other);
  CHECK(world.used() == 25);
  CHECK(std::filesystem::exists(path));
}

TEST_CASE("a daemon that gets the folder later takes over what is kept there") {
  Restarted world;
  std::atomic<bool> is_away{true};
  world.view.fate = [&](std::size_t) { return is_away ? Fate::unreachable : Fate::answered; };
  CHECK(world.accepted(*world.daemon(), 20) == 20);
  auto owner = lock_state_folder(world.folder.path());
  REQUIRE(owner.has_value());
  const auto other = world.daemon(4, 1ms);
  CHECK(other->shares() == 0);
  *owner = FileHandle{};
  CHECK(eventually([&] { return other->shares() == 1; }));
  CHECK(world.accepted(*other, 100) == 5);
  is_away = false;
  CHECK(eventually([&] { return world.used_now() == 25; }));
}

}  // namespace quota::test
