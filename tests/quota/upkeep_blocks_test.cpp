// Upkeep, the blocks: those made by hand, by other daemons and in other spellings. Where their data was lost: upkeep_loss_test.cpp.
#include "tests/quota/upkeep_rig.hpp"

#include <doctest/doctest.h>

namespace quota {

using namespace upkeep_rig;

TEST_CASE("what a daemon does about a block, by what it knew and what it reads") {
  const struct {
    const char* why;
    TableText before;  // the table as it was read last; its epoch is e1
    TableText now;
    Steps want;
  } rows[] = {
      {"an entry made by hand gets an id and a time", {}, {{alice, "stolen"}},
       {alice + ": 'stolen' -> 'id=new1 since=2026-11-22T12:00:00Z action=reject stolen' mark new1 event blocked"}},
      {"its own facts stay", {}, {{alice, "until=2026-12-01T00:00:00Z action=quarantine x"}},
       {alice + ": 'until=2026-12-01T00:00:00Z action=quarantine x' -> "
                "'id=new1 since=2026-11-22T12:00:00Z until=2026-12-01T00:00:00Z action=quarantine x' mark new1 event blocked"}},
      {"one that another daemon made is looked up in the record, once", {}, {{alice, whole}}, {"mark " + alice + " b1"}},
      {"what is known needs nothing", {{alice, whole}}, {{alice, whole}}, {}},
      {"one that is gone was released", {{alice, whole}}, {}, {"release " + alice + " b1 event released"}},
      {"one that was gone by itself was not", {{alice, "id=b1 since=2026-11-22T11:00:00Z until=2026-11-22T12:00:00Z action=reject x"}}, {}, {}},
      {"one that has ended is taken away by comparing its text", {},
       {{alice, "id=b1 since=2026-11-22T11:00:00Z until=2026-11-22T12:00:00Z action=reject x"}},
       {alice + ": 'id=b1 since=2026-11-22T11:00:00Z until=2026-11-22T12:00:00Z action=reject x' -> absent event ended"}},
      {"an edited text with its id is followed", {{alice, whole_until_one}},
       {{alice, "id=b1 since=2026-11-22T11:00:00Z until=2026-11-22T13:00:00Z action=reject stolen twice"}}, {}},
      {"one with another end, too, and its record is to last as long", {{alice, whole_until_one}}, {{alice, whole}}, {"mark " + alice + " b1"}},
      {"an editor who drops the id edits the same block", {{alice, whole}}, {{alice, "until=2026-12-01T00:00:00Z ticket 2"}},
       {alice + ": 'until=2026-12-01T00:00:00Z ticket 2' -> "
                "'id=b1 since=2026-11-22T11:00:00Z until=2026-12-01T00:00:00Z action=reject ticket 2' mark b1 event blocked"}},
      {"another id is another block, so the first was released", {{alice, whole}}, {{alice, automatic}},
       {"release " + alice + " b1 event released", "mark " + alice + " b2"}},
      {"a field that is no identity is answered in the table", {}, {{"alice", "stolen"}},
       {"alice: 'stolen' -> 'ERROR: 'alice' is no identity: write kind:value, as in user:alice@example.com or "
        "script:mx1.example.com/1000:form.php (stolen)' event error"}},
      {"once", {}, {{"alice", "ERROR: anything (stolen)"}}, {}},
      {"another spelling is renamed and completed", {}, {{"ALICE@Example.com", "stolen"}},
       {alice + ": absent -> 'id=new1 since=2026-11-22T12:00:00Z action=reject stolen' mark new1 instead of ALICE@Example.com event blocked"}},
      {"one that was renamed already goes away", {{alice, whole}}, {{alice, whole}, {"Alice@example.com", "stolen"}},
       {"Alice@example.com: 'stolen' -> absent"}},
      {"one that lasts longer than the canonical one becomes it", {{alice, whole_until_one}},
       {{alice, whole_until_one}, {"Alice@example.com", "for ever"}},
       {alice + ": '" + whole_until_one + "' -> 'id=b1 since=2026-11-22T11:00:00Z action=reject for ever' mark b1 "
        "instead of Alice@example.com event blocked"}},
      {"one that does not is an error there", {{alice, whole}},
       {{alice, whole}, {"Alice@example.com", "until=2026-12-01T00:00:00Z x"}},
       {"Alice@example.com: 'until=2026-12-01T00:00:00Z x' -> 'ERROR: user:alice@example.com has an entry already, which holds; "
        "change or remove that one, and remove this (until=2026-12-01T00:00:00Z x)' event error"}},
  };
  for (const auto& row : rows) {
    CAPTURE(row.why);
    Ids ids;
    CHECK(said(plan(known(read(row.before)), read(row.now), ids.means())) == row.want);
  }
}

TEST_CASE("a block holds from the reading that finds it, before any step is done") {
  Ids ids;
  const struct {
    const char* field;
    const char* text;
    Action want;
  } rows[] = {{"user:alice@example.com", "stolen", Action::reject},
              {"user:alice@example.com", "action=quarantine stolen", Action::quarantine},
              {"user:alice@example.com", "until=tomorrow stolen", Action::reject},  // not understood: until released
              {"ALICE@example.com", "stolen", Action::reject},
              {"ALICE@example.com", "until=tomorrow stolen", Action::reject}};
  for (const auto& row : rows) {
    CAPTURE(row.field);
    CAPTURE(row.text);
    const auto planned = plan({}, read({{row.field, row.text}}), ids.means());
    const auto* block = planned.tables.find_block(alice_identity, noon);
    REQUIRE(block);
    CHECK(block->action == row.want);
    CHECK_FALSE(block->until);
  }
}

TEST_CASE("a block that cannot be understood has an id that follows from its text, so that its release works") {
  Ids ids;
  auto first = plan({}, read({{alice, "until=tomorrow stolen"}}), ids.means());
  REQUIRE(first.steps.size() == 1);
  const auto change = std::get<Change>(first.steps[0]);
  REQUIRE(change.desired);
  CHECK(is_error_text(*change.desired));
  REQUIRE(change.marking);
  CHECK(change.event->what == "error");

  // Another daemon sees the ERROR only, and this one sees it next: all of them mean the same block.
  const auto second = plan(first.after, read({{alice, *change.desired}}), ids.means());
  CHECK(said(second) == Steps{"mark " + alice + " " + change.marking->mark.id});
  const auto third = plan(second.after, read({}), ids.means());
  CHECK(said(third) == Steps{"release " + alice + " " + change.marking->mark.id + " event released"});
}

TEST_CASE("a typing error in a block that holds does not release it, and its cure is the same block again") {
  Ids ids;
  const auto broken = plan(known(read({{alice, whole}})), read({{alice, "until=noon x"}}), ids.means());
  REQUIRE(broken.steps.size() == 1);
  const auto error = std::get<Change>(broken.steps[0]);
  CHECK(error.event->what == "error");
  const auto cured = plan(broken.after, read({{alice, "until=2026-12-01T00:00:00Z x"}}), ids.means());
  CHECK(said(cured) == Steps{alice + ": 'until=2026-12-01T00:00:00Z x' -> 'id=" + error.marking->mark.id +
                             " since=2026-11-22T11:00:00Z until=2026-12-01T00:00:00Z action=reject x' mark " +
                             error.marking->mark.id + " event blocked"});
}

TEST_CASE("a block under another spelling that is taken away before its next reading was released") {
  Ids ids;
  const TableText mistyped{{"ALICE@example.com", "stolen"}};
  const auto found = plan(known(read({})), read(mistyped), ids.means());
  REQUIRE(said(found).size() == 1);

  // Renamed by any daemon, under whatever id, and taken away again.
  CHECK(said(plan(found.after, read({}), ids.means())) == Steps{"release " + alice + "  event released"});
  // Not yet renamed: it never stood under its name, and is renamed again.
  const auto again = plan(found.after, read(mistyped), ids.means());
  CHECK(said(again) == Steps{alice + ": absent -> 'id=new2 since=2026-11-22T12:00:00Z action=reject stolen' mark new2 "
                                     "instead of ALICE@example.com event blocked"});
  // Renamed by another daemon: the same block, whose id is the winner's.
  const auto renamed = plan(again.after, read({{alice, whole}}), ids.means());
  CHECK(said(renamed) == Steps{"mark " + alice + " b1"});
  CHECK(said(plan(renamed.after, read({}), ids.means())) == Steps{"release " + alice + " b1 event released"});
}

TEST_CASE("a block that had ended holds again while it still stands and the clock steps back") {
  Ids ids;
  const auto at = [](Timestamp moment) {
    auto text = read({{alice, automatic}});
    text.now = moment;
    return text;
  };
  const auto before = plan(known(at(noon)), at(noon), ids.means());
  REQUIRE(before.tables.find_block(alice_identity, noon));
  const auto ended = plan(before.after, at(noon + 2h), ids.means());
  CHECK(ended.tables.blocked().empty());
  const auto back = plan(ended.after, at(noon), ids.means());
  CHECK(back.tables.find_block(alice_identity, noon));
  const auto settled = plan(back.after, at(noon), ids.means());
  CHECK(settled.tables.find_block(alice_identity, noon));
}

TEST_CASE("the ladder of a record is rebuilt from the block's text") {
  const auto timed = *parse_block(automatic);
  const auto mark = mark_of(timed, 168h);
  CHECK(mark.ladder == Ladder{2, *timed.until + 168h});
  CHECK(mark.quota == "mailbox");
  CHECK(mark.until == timed.until);

  auto endless = timed;
  endless.until.reset();
  CHECK(mark_of(endless, 168h).ladder == Ladder{2, *timed.since + endless_block_kept_for});
  CHECK_FALSE(mark_of(*parse_block(whole), 168h).ladder);  // by hand: the ladder stays as it is
}

TEST_CASE("a field that a scan gives twice is one block") {
  Ids ids;
  CHECK(said(plan({}, read({{alice, "stolen"}, {alice, "stolen"}}), ids.means())).size() == 1);
}

}  // namespace quota
