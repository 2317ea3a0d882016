#include "milter/script_roster.hpp"

#include <doctest/doctest.h>

#include "tests/support/example_policy.hpp"

using namespace milter;
using namespace std::chrono_literals;

namespace {

using Standing = ScriptRoster::Standing;

quota::Sender sender_of(const std::string& uid, const std::string& script) {
  const quota::PhpScript php{uid, script, false};
  quota::Sender sender;
  sender.origin = quota::Origin::local;
  sender.identities = {quota::script_identity("mx1", php), quota::uid_identity("mx1", php)};
  return sender;
}

}  // namespace

TEST_CASE("a uid has so many scripts within a day; further ones are one script") {
  struct Row {
    quota::Milliseconds at;
    std::string uid;
    std::string script;
    std::string charged;
  } const rows[] = {
      {0h, "1000", "a.php", "mx1/1000:a.php"},
      {0h, "1000", "b.php", "mx1/1000:b.php"},
      {0h, "1000", "c.php", "mx1/1000:+others"},
      {1h, "1000", "a.php", "mx1/1000:a.php"},   // one that is known stays itself
      {1h, "2000", "c.php", "mx1/2000:c.php"},   // every uid has room of its own
      {24h, "1000", "c.php", "mx1/1000:+others"},
      {25h, "1000", "c.php", "mx1/1000:c.php"},  // b.php was not seen for more than a day
      {25h, "1000", "b.php", "mx1/1000:+others"},
      {25h, "1000", "a.php", "mx1/1000:a.php"},
  };
  ScriptRoster roster;
  for (const auto& row : rows) {
    CAPTURE(row.at.count());
    CAPTURE(row.script);
    auto sender = sender_of(row.uid, row.script);
    const bool was_bound = roster.bound(sender, 2, quota::example_now + row.at) == Standing::beyond;
    CHECK(sender.find(quota::Kind::script)->value == row.charged);
    CHECK(was_bound == sender.find(quota::Kind::script)->value.ends_with("+others"));
    CHECK(sender.find(quota::Kind::uid)->value == "mx1/" + std::string(row.uid));
  }
}

TEST_CASE("the same uid on another host is another one") {
  ScriptRoster roster;
  auto here = sender_of("1000", "a.php");
  auto there = sender_of("1000", "b.php");
  there.identities[1].value = "mx2/1000";
  CHECK(roster.bound(here, 1, quota::example_now) == Standing::unfamiliar);
  CHECK(roster.bound(there, 1, quota::example_now) == Standing::unfamiliar);
}

TEST_CASE("a message without a script is left alone") {
  ScriptRoster roster;
  quota::Sender sender;
  sender.identities = {{quota::Kind::user, "alice@example.com"}};
  CHECK(roster.bound(sender, 1, quota::example_now) == Standing::known);
  CHECK(sender.identities.size() == 1);
}

TEST_CASE("the store is to be asked about a script that was not asked about within a day") {
  ScriptRoster roster;
  struct {
    quota::Milliseconds at;
    Standing want;
  } const rows[] = {{0h, Standing::unfamiliar}, {1h, Standing::known}, {23h, Standing::known}, {24h, Standing::unfamiliar}, {25h, Standing::known}, {48h, Standing::unfamiliar}};
  for (const auto& row : rows) {
    CAPTURE(row.at.count());
    auto sender = sender_of("1000", "a.php");
    CHECK(roster.bound(sender, 2, quota::example_now + row.at) == row.want);
  }
}
