#include "quota/store/step_runner.hpp"

#include <doctest/doctest.h>

#include "quota/time_text.hpp"
#include "tests/support/scripted_ledger.hpp"

namespace quota {
namespace {

using namespace std::chrono_literals;

const Identity alice{Kind::user, "alice@example.com"};
const OverrideKey mailbox{alice, "mailbox"};
const Event released{"released", "info", "user:alice@example.com", "by hand", "", ""};

/// A daemon that carries out steps when the test says so, perhaps long after the others.
struct Daemon {
  explicit Daemon(SharedLedger& shared) : door(shared) {}
  [[nodiscard]] std::string run(const Step& step) {
    const auto ran = runner.run(step);
    return !ran ? "no answer" : *ran == Ran::won ? "won" : "lost";
  }

  ScriptedLedger door;
  EventWriter events{door, "mx1"};
  StepRunner runner{door, events};
};

Block block_of(const std::string& text) {
  auto block = parse_block(text);
  REQUIRE(block.has_value());
  return *block;
}

/// What a daemon does that saw the block with this text, and then saw it gone.
Release release_of(const std::string& text) {
  const auto block = block_of(text);
  return {.identity = alice, .id = id_of(block), .event = released, .words = release_claims(alice, block).words};
}

const std::string by_hand = "stolen";
const std::string completed = "id=b1 since=2026-11-22T11:00:00Z action=reject stolen";
const std::string completed_again = "id=b2 since=2026-11-22T12:00:00Z action=reject stolen";

}  // namespace

TEST_CASE("a release is told once, however long a daemon was cut off and whatever it knew of the block") {
  const struct {
    const char* why;
    std::string one, other;
  } rows[] = {{"both know its id", completed, completed},
              {"one that comes back read it before it was completed", completed, by_hand},
              {"nobody has seen it completed", by_hand, by_hand}};
  for (const auto& row : rows)
    for (const auto cut_off : {Milliseconds{0}, Milliseconds{10min}, Milliseconds{20h}}) {
      CAPTURE(row.why);
      CAPTURE(cut_off.count());
      SharedLedger shared;
      Daemon one(shared), other(shared);
      Record record;
      record.refusals["mailbox"] = {5, shared.now()};
      record.block = id_of(block_of(row.one));
      shared.set_record(alice, record);
      CHECK(one.run(release_of(row.one)) == "won");
      CHECK(shared.record(alice).is_empty());
      shared.age_claims(cut_off);
      record.block.clear();
      shared.set_record(alice, row.one == by_hand ? record : Record{});  // what was used since is not given back
      CHECK(other.run(release_of(row.other)) == "lost");
      CHECK(shared.count_events("released") == 1);
      CHECK(shared.record(alice).is_empty() == (row.one != by_hand));
    }
}

TEST_CASE("another block in the same words is another release") {
  SharedLedger shared;
  Daemon daemon(shared);
  for (const auto& text : {completed, completed_again}) {
    Record record;
    record.block = id_of(block_of(text));
    shared.set_record(alice, record);
    CHECK(daemon.run(release_of(text)) == "won");
    shared.age_claims(2s);
  }
  CHECK(shared.count_events("released") == 2);
}

TEST_CASE("the same mistake made twice is two releases") {
  SharedLedger shared;
  Daemon daemon(shared);
  const std::string mistake = error_text("until=tomorow is no time", "until=tomorow stolen");
  for (int i = 0; i < 2; ++i) {
    Record record;
    record.block = id_of(block_of(mistake));
    shared.set_record(alice, record);
    CHECK(daemon.run(release_of(mistake)) == "won");
    shared.age_claims(1min);
  }
  CHECK(shared.count_events("released") == 2);
}

TEST_CASE("a live limit that was removed is told once to whoever comes back later, and again when it was set again") {
  const auto removal_of = [](const std::string& text) {
    const auto entry = parse_override(mailbox, text);
    REQUIRE(entry.has_value());
    const auto claims = removal_claims(mailbox, *entry);
    return Announce{claims.exact, claims.lasting, override_removed_event(mailbox, *entry), claims.words};
  };
  const std::string first = "unlimited since=2026-11-22T11:00:00Z";
  SharedLedger shared;
  Daemon one(shared), other(shared);
  CHECK(one.run(removal_of(first)) == "won");
  shared.age_claims(10min);
  CHECK(other.run(removal_of(first)) == "lost");
  CHECK(other.run(removal_of("unlimited")) == "lost");
  CHECK(shared.count_events("limit") == 1);
  CHECK(one.run(removal_of("unlimited since=2026-11-22T13:00:00Z")) == "won");
  CHECK(shared.count_events("limit") == 2);
}

TEST_CASE("a release whose claim has no answer is told rather than not") {
  const struct {
    Executed executed;
    std::size_t want;
  } rows[] = {{Executed::no, 1}, {Executed::possibly, 1}};
  for (const auto& row : rows) {
    SharedLedger shared;
    Daemon daemon(shared);
    Record record;
    record.block = "b1";
    shared.set_record(alice, record);
    daemon.door.fail({.claims = 3, .executed = row.executed});
    CHECK(daemon.run(release_of(completed)) == "won");
    CHECK(shared.count_events("released") == row.want);
  }
}

TEST_CASE("a release that did not reach the store is done later") {
  SharedLedger shared;
  Daemon daemon(shared);
  Record record;
  record.block = "b1";
  shared.set_record(alice, record);
  daemon.door.fail({.releases = 1});
  CHECK(daemon.run(release_of(completed)) == "no answer");
  CHECK(shared.count_events("released") == 0);
  CHECK(daemon.run(release_of(completed)) == "won");
  CHECK(shared.count_events("released") == 1);
}

TEST_CASE("a mark lets the record of the same block last longer, and marks none whose block is gone") {
  const auto until = *parse_moment("2026-12-01T00:00:00Z");
  const std::string text = "id=b1 until=2026-12-01T00:00:00Z action=tempfail quota=mailbox step=2 x";
  const Mark mark{text, {alice, mark_of(block_of(text), 168h)}};
  SharedLedger shared;
  Daemon daemon(shared);
  Record record;
  record.block = "b1";
  record.ladder = Ladder{2, until - 24h};
  shared.set_record(alice, record);
  CHECK(daemon.run(mark) == "lost");
  CHECK(shared.record(alice).ladder == record.ladder);
  shared.put(Table::blocked, alice.text(), text);
  CHECK(daemon.run(mark) == "won");
  CHECK(shared.record(alice).ladder == Ladder{2, until + 168h});
}

}  // namespace quota
