#include "quota/store/event_writer.hpp"

#include <doctest/doctest.h>

#include "tests/support/scripted_ledger.hpp"

namespace quota {
namespace {

Event about(const std::string& text) { return {"warned", "warning", "user:alice@example.com", text, "", ""}; }

std::vector<std::string> texts(SharedLedger& shared) {
  const std::lock_guard lock(shared.mutex);
  std::vector<std::string> all;
  for (const auto& event : shared.events) all.push_back(event.text);
  return all;
}

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("an event says where it happened, and that the daemon did it unless it names somebody") {
  SharedLedger shared;
  ScriptedLedger door(shared);
  EventWriter writer(door, "mx1");
  writer.write(about("one"));
  writer.write({"released", "info", "user:alice@example.com", "two", "root", "elsewhere"});
  REQUIRE(shared.events.size() == 2);
  CHECK(shared.events[0].by == "sendquotad");
  CHECK(shared.events[0].host == "mx1");
  CHECK(shared.events[1].by == "root");
  CHECK(shared.events[1].host == "mx1");
}

TEST_CASE("an event that the store did not take is kept, with those behind it, and handed over in their order") {
  SharedLedger shared;
  ScriptedLedger door(shared);
  EventWriter writer(door, "mx1");
  door.fail({.appends = 2});
  writer.write(about("one"));
  writer.write(about("two"));  // nobody waits for an answer once per event
  CHECK(writer.kept() == 2);
  CHECK_FALSE(writer.flush());
  CHECK(texts(shared).empty());
  CHECK(writer.flush());
  CHECK(texts(shared) == Texts{"one", "two"});
  CHECK(writer.kept() == 0);
}

TEST_CASE("an event that may have been written is not written again") {
  SharedLedger shared;
  ScriptedLedger door(shared);
  EventWriter writer(door, "mx1");
  door.fail({.appends = 1, .executed = Executed::possibly});
  writer.write(about("one"));
  CHECK(writer.kept() == 0);
  writer.write(about("two"));
  CHECK(texts(shared) == Texts{"two"});
}

TEST_CASE("of more events than there is room for the oldest are dropped and counted") {
  SharedLedger shared;
  ScriptedLedger door(shared);
  EventWriter writer(door, "mx1");
  door.fail({.appends = 1});
  for (int i = 0; i < 1003; ++i) writer.write(about(std::to_string(i)));
  CHECK(writer.dropped() == 3);
  REQUIRE(writer.flush());
  CHECK(texts(shared).size() == 1000);
  CHECK(texts(shared).front() == "3");
}

}  // namespace quota
