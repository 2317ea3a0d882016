#include "milter/uncovered_watch.hpp"

#include <doctest/doctest.h>

#include "tests/support/example_policy.hpp"

using namespace milter;
using namespace std::chrono_literals;

TEST_CASE("so many uncovered messages within the time are told, and those that follow until its end") {
  quota::Sender sender;
  sender.identities = {{quota::Kind::sender, "x@spam.test"}, {quota::Kind::client, "192.0.2.7"}, {quota::Kind::everyone, ""}};
  UncoveredWatch watch;
  struct {
    quota::Milliseconds at;
    bool want;
  } const rows[] = {{0min, false}, {1min, false}, {9min, true}, {9min, true}, {10min, false}, {11min, false}, {20min, false}, {21min, false}, {22min, true}};
  for (const auto& row : rows) {
    CAPTURE(row.at.count());
    CHECK(watch.seen(sender, "mx1", {3, 10min}, quota::example_now + row.at).has_value() == row.want);
  }
  const auto event = watch.seen(sender, "mx1", {3, 10min}, quota::example_now + 23min);
  REQUIRE(event.has_value());
  CHECK(event->what == "many_uncovered");
  CHECK(event->text == "mx1 sent 3 messages within 10m that no quota covers; the last is of sender:x@spam.test, client:192.0.2.7");
}
