#include "milter/backstage.hpp"

#include <doctest/doctest.h>

#include "tests/support/scripted_ledger.hpp"

using namespace milter;
using namespace std::chrono_literals;
using quota::eventually;
using quota::Executed;
using quota::ScriptedLedger;

namespace {

quota::Event about(const std::string& what, const std::string& text) { return {what, "warning", "user:alice@example.com", text, "", ""}; }

struct Stage {
  explicit Stage(quota::Milliseconds retry_after = 5ms) : backstage(door, blocker, counters, "mx1", retry_after) {}

  [[nodiscard]] std::vector<std::string> told() {
    const std::lock_guard lock(shared.mutex);
    std::vector<std::string> texts;
    for (const auto& event : shared.events) texts.push_back(event.text);
    return texts;
  }

  quota::SharedLedger shared;
  ScriptedLedger door{shared};
  quota::Keeper keeper{door, {.host = "mx1", .means = {[] { return "id"; }, [](const std::string&) { return 1h; }}}};
  quota::Blocker blocker{door, keeper, {.host = "mx1", .rule = [](const std::string&) { return std::nullopt; }, .new_id = [] { return "id"; }}};
  Counters counters;
  Backstage backstage;
};

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("an event that the store did not take is told as soon as it does, without another one") {
  Stage stage;
  stage.door.fail({.appends = 3});
  stage.backstage.happened(about("warned", "one"), "");
  CHECK(eventually([&] { return stage.told() == Texts{"one"}; }));
}

TEST_CASE("events wait for a store that is away, and are told in their order") {
  Stage stage;
  stage.door.fail({.claims = 1'000'000, .appends = 1'000'000});
  for (const auto* const text : {"one", "two", "three"}) stage.backstage.happened(about("warned", text), "");
  stage.backstage.happened(about("new_script", "four"), "new-script:x");
  CHECK(stage.told().empty());
  stage.door.fail({});
  CHECK(eventually([&] { return stage.told() == Texts{"one", "two", "three", "four"}; }));
  CHECK(stage.counters.events_dropped == 0);
}

TEST_CASE("what is to be told once is told by one daemon, and once by that one") {
  Stage stage;
  for (int i = 0; i < 3; ++i) stage.backstage.happened(about("first_hold", "one"), "first-hold:a");
  REQUIRE(*stage.door.claim("first-hold:b", 1h));  // another daemon was quicker
  stage.backstage.happened(about("first_hold", "two"), "first-hold:b");
  stage.backstage.happened(about("warned", "three"), "");
  CHECK(eventually([&] { return stage.told() == Texts{"one", "three"}; }));
}

TEST_CASE("a claim that may have been granted is told rather than lost") {
  Stage stage;
  stage.door.fail({.claims = 1, .executed = Executed::possibly, .kind = quota::StoreErrorKind::timed_out});
  stage.backstage.happened(about("first_hold", "one"), "first-hold:a");
  CHECK(eventually([&] { return stage.told() == Texts{"one"}; }));
}

TEST_CASE("a stop tells what is queued, and counts what the store does not take") {
  Stage well(1h);
  well.backstage.happened(about("warned", "one"), "");
  well.backstage.stop();
  CHECK(well.told() == Texts{"one"});
  CHECK(well.counters.events_dropped == 0);

  Stage away(1h);
  away.door.fail({.appends = 1'000'000});
  for (int i = 0; i < 4; ++i) away.backstage.happened(about("warned", std::to_string(i)), "");
  away.backstage.stop();
  away.backstage.stop();
  CHECK(away.counters.events_dropped == 4);

  Stage late(1h);
  late.door.fail({.appends = 1});
  late.backstage.happened(about("warned", "one"), "");
  late.backstage.stop();  // tries once more, however long the next try was to be
  CHECK(late.told() == Texts{"one"});
}

TEST_CASE("events that find no room are dropped and counted") {
  Stage stage(1h);
  stage.door.fail({.appends = 1'000'000});
  for (int i = 0; i < 1500; ++i) stage.backstage.happened(about("warned", std::to_string(i)), "");
  CHECK(stage.counters.events_dropped >= 498);
  CHECK(stage.counters.events_dropped <= 500);
}
