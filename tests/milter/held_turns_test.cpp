#include "milter/held_turns.hpp"

#include <doctest/doctest.h>

using milter::HeldTurns;
using Senders = std::vector<std::string>;

TEST_CASE("each round begins behind the sender that came last, and each host has its own rounds") {
  HeldTurns turns;
  const std::set<std::string> senders{"a", "b", "c", "d"};
  CHECK(turns.in_turn("mx1", senders) == Senders{"a", "b", "c", "d"});
  turns.came("mx1", "b");
  CHECK(turns.in_turn("mx1", senders) == Senders{"c", "d", "a", "b"});
  CHECK(turns.in_turn("mx2", senders) == Senders{"a", "b", "c", "d"});
  CHECK(turns.in_turn("mx1", {"a", "c", "d"}) == Senders{"c", "d", "a"});  // whose mail has gone
  turns.came("mx1", "d");
  CHECK(turns.in_turn("mx1", senders) == Senders{"a", "b", "c", "d"});
  CHECK(turns.in_turn("mx1", {}).empty());
}

TEST_CASE("of so many hosts it is remembered who came last, and beyond them all begin anew") {
  HeldTurns turns;
  for (std::size_t n = 0; n < HeldTurns::most_hosts; ++n) turns.came("mx" + std::to_string(n), "b");
  turns.came("mx0", "a");
  CHECK(turns.in_turn("mx1", {"a", "b", "c"}) == Senders{"c", "a", "b"});
  turns.came("one more", "b");
  CHECK(turns.in_turn("mx1", {"a", "b", "c"}) == Senders{"a", "b", "c"});
}
