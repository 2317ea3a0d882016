#include "milter/script_watch.hpp"

#include <doctest/doctest.h>

#include "tests/support/scripted_ledger.hpp"

using namespace milter;
using namespace std::chrono_literals;
using quota::eventually;

namespace {

const quota::Identity uid{quota::Kind::uid, "mx1/1000"};

/// One daemon's watch on a store that several share.
struct Host {
  explicit Host(quota::SharedLedger& shared) : door(shared) {}

  void see(const std::string& script) { watch.seen(uid, "mx1/1000:" + script, 200); }
  [[nodiscard]] std::vector<std::string> told() {
    const std::lock_guard lock(mutex);
    return texts;
  }

  quota::ScriptedLedger door;
  Counters counters;
  std::mutex mutex;
  std::vector<std::string> texts;  // identity and text of each event; guarded by mutex
  ScriptWatch watch{{.ledger = door,
                     .counters = counters,
                     .host = "mx1",
                     .tell =
                         [this](const quota::Event& event) {
                           const std::lock_guard lock(mutex);
                           texts.push_back(event.identity + ": " + event.text);
                         },
                     .new_token =
                         [] {
                           static std::atomic<int> tokens{0};  // no two hosts have the same
                           return std::to_string(++tokens);
                         },
                     .retry_after = 2ms}};
};

/// Whether so many new ones were not told.
bool are_left_out(quota::SharedLedger& shared, std::int64_t count) {
  const std::lock_guard lock(shared.mutex);
  return shared.left_out["new_script:uid:mx1/1000"] == count;
}

/// A store whose uid has been known for so long, with one script.
void begin(quota::SharedLedger& shared, quota::Milliseconds age) {
  const auto at = shared.now() - age;
  std::ignore = quota::learn(shared.scripts["uid:mx1/1000"], {uid, "mx1/1000:form.php", 200, "0"}, at);
}

}  // namespace

TEST_CASE("a new script is told by one daemon of the cluster, and a known one by none") {
  quota::SharedLedger shared;
  begin(shared, 24h * 30);
  Host one(shared), other(shared);
  for (auto* const host : {&one, &other})
    for (const auto* const script : {"form.php", "shell.php"}) host->see(script);
  REQUIRE(eventually([&] { return one.told().size() + other.told().size() == 1; }));
  one.see("last.php"), other.see("last.php");
  REQUIRE(eventually([&] { return are_left_out(shared, 1); }));
  const auto told = one.told().empty() ? other.told() : one.told();
  CHECK(told[0].starts_with("script:mx1/1000:shell.php: a script starts to send; scripts of its uid send since "));
  CHECK(told[0].ends_with(", 1 other is known"));
  CHECK(one.told().size() + other.told().size() == 1);
}

TEST_CASE("of one uid one is told in an hour, with how many more there were") {
  quota::SharedLedger shared;
  begin(shared, 24h * 30);
  Host host(shared);
  for (const auto* const script : {"1.php", "2.php", "3.php"}) host.see(script);
  REQUIRE(eventually([&] { return are_left_out(shared, 2); }));
  shared.age_claims(1h);
  host.see("4.php");
  REQUIRE(eventually([&] { return host.told().size() == 2; }));
  CHECK(host.told()[1].ends_with("; 2 more of them were new since the last was told"));
}

TEST_CASE("in the first week of a uid its scripts are learnt silently") {
  quota::SharedLedger shared;
  begin(shared, 24h * 6);
  Host host(shared);
  host.see("shell.php");
  REQUIRE(eventually([&] {
    const std::lock_guard lock(shared.mutex);
    return shared.scripts["uid:mx1/1000"].scripts.size() == 2;
  }));
  CHECK(host.told().empty());
}

TEST_CASE("a script waits for a store that is away, and one whose answer was lost is told") {
  for (const auto executed : {quota::Executed::no, quota::Executed::possibly}) {
    quota::SharedLedger shared;
    begin(shared, 24h * 30);
    Host host(shared);
    host.door.fail({.learns = 3, .executed = executed, .kind = quota::StoreErrorKind::timed_out});
    host.see("shell.php");
    CHECK(eventually([&] { return host.told().size() == 1; }));
  }
}

TEST_CASE("what the store cannot remember is given up, and holds up nothing") {
  quota::SharedLedger shared;
  begin(shared, 24h * 30);
  Host host(shared);
  host.door.fail({.learns = 1, .kind = quota::StoreErrorKind::misconfigured});
  host.see("shell.php");
  host.see("other.php");
  CHECK(eventually([&] { return host.told().size() == 1; }));
  CHECK(host.told()[0].starts_with("script:mx1/1000:other.php: "));
}
