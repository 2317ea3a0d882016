// Upkeep, what is missing: released, or lost with its data and put back.
#include "tests/quota/upkeep_rig.hpp"

#include <doctest/doctest.h>

namespace quota {

using namespace upkeep_rig;

TEST_CASE("a missing block is put back where it may have been lost, not released") {
  const auto seen = known(read({{alice, automatic}, {"user:bob@example.com", "id=b3 since=2026-11-22T11:00:00Z until=2026-11-22T12:00:00Z action=reject x"}}));
  const auto put_back = alice + ": absent -> '" + automatic + "' mark b2";
  struct Row {
    const char* why;
    TablesText now;
    Steps want;
  };
  const Row rows[] = {
      {"FLUSHALL, or DEL of the table", {{}, {}, {}, "run-1", noon}, {"epoch: absent -> 'new1'", put_back, "announce lost"}},
      {"an empty server took over", {{}, {}, {}, "run-2", noon}, {"epoch: absent -> 'new1'", put_back, "announce lost"}},
      {"a server took over that has lost the last writes", {{{"epoch", "e1"}}, {}, {}, "run-2", noon}, {put_back, "announce lost"}},
      {"another daemon has begun to put back", {{{"epoch", "e2"}}, {}, {}, "run-1", noon}, {put_back, "announce lost"}},
      {"a server took over that has everything", {{{"epoch", "e1"}, {alice, automatic}}, {}, {}, "run-2", noon}, {"mark " + alice + " b2"}},
  };
  for (const auto& row : rows) {
    CAPTURE(row.why);
    Ids ids;
    const auto planned = plan(seen, row.now, ids.means());
    CHECK(said(planned) == row.want);
    CHECK(planned.tables.find_block(alice_identity, noon));
    CHECK(planned.tables.blocked().size() == 1);  // the one that has ended is not put back
  }
}

TEST_CASE("what has ended by a clock that only others believe, and is gone, was not released; where it was lost it is put back") {
  const auto seen = known(read({{alice, automatic}}, {{alice + " mailbox", "unlimited since=2026-11-22T11:00:00Z until=2026-11-22T13:00:00Z"}}));
  struct Row {
    const char* why;
    Milliseconds ahead;
    std::string history;
    Steps want;
  };
  const Row rows[] = {
      {"it holds by that clock too", 59min, "run-1", {"release " + alice + " b2 event released", "announce limit"}},
      {"it has ended by that clock", 1h, "run-1", {}},
      {"the data is lost", 1h, "run-2", {alice + ": absent -> '" + automatic + "' mark b2", "announce lost"}},
  };
  for (const auto& row : rows) {
    CAPTURE(row.why);
    Ids ids;
    auto now = read({});
    now.server_now = noon + row.ahead;
    now.history = row.history;
    CHECK(said(plan(seen, now, ids.means())) == row.want);
    now = read({{alice, automatic}});
    now.server_now = noon + row.ahead;
    CHECK(plan(seen, now, ids.means()).tables.find_block(alice_identity, noon));
  }
}

TEST_CASE("a block that could not be put back is tried again, and is a release only after it was seen again") {
  Ids ids;
  const auto lost = plan(known(read({{alice, automatic}})), {{}, {}, {}, "run-2", noon}, ids.means());
  const TablesText empty{{{"epoch", "e2"}}, {}, {}, "run-2", noon};
  const auto again = plan(lost.after, empty, ids.means());
  CHECK(said(again) == Steps{alice + ": absent -> '" + automatic + "' mark b2"});
  const auto still = plan(again.after, empty, ids.means());
  CHECK(said(still) == said(again));
  const auto seen = plan(still.after, {{{"epoch", "e2"}, {alice, automatic}}, {}, {}, "run-2", noon}, ids.means());
  CHECK(said(plan(seen.after, empty, ids.means())) == Steps{"release " + alice + " b2 event released"});
}

TEST_CASE("a known block that goes while a shorter one stands under another spelling is not forgotten") {
  Ids ids;
  const TablesText now{{{"epoch", "e2"}, {"ALICE@example.com", "until=2026-11-22T12:30:00Z x"}}, {}, {}, "run-2", noon};
  const auto planned = plan(known(read({{alice, automatic}})), now, ids.means());
  REQUIRE(planned.tables.find_block(alice_identity, noon));
  CHECK(planned.tables.find_block(alice_identity, noon)->until == noon + 1h);
}

TEST_CASE("what an earlier process knew counts like what this one has read, but old releases are not told again") {
  auto recalled = known(read({{alice, automatic}}));
  recalled.is_recalled = true;
  const auto put_back = alice + ": absent -> '" + automatic + "' mark b2";
  using Telling = Release::Telling;
  const struct {
    const char* why;
    Milliseconds age;
    TablesText now;
    Steps want;
  } rows[] = {
      {"nothing happened", 1min, read({{alice, automatic}}), {}},
      {"released while no daemon ran", 1min, read({}), {"release " + alice + " b2 event released"}},
      {"released, and known from long ago", 240h, read({}), {"release " + alice + " b2 event released"}},
      {"FLUSHALL meanwhile", 1min, {{}, {}, {}, "run-1", noon}, {"epoch: absent -> 'new1'", put_back, "announce lost"}},
      {"an empty server took over", 1min, {{}, {}, {}, "run-2", noon}, {"epoch: absent -> 'new1'", put_back, "announce lost"}},
      {"another daemon has begun to put back", 1min, {{{"epoch", "e2"}}, {}, {}, "run-2", noon}, {put_back, "announce lost"}},
      {"a failover that lost the last writes", 1min, {{{"epoch", "e1"}}, {}, {}, "run-2", noon}, {put_back, "announce lost"}},
      {"a failover, and known from long ago: others have kept the table", 25h, {{{"epoch", "e1"}}, {}, {}, "run-2", noon}, {}},
      {"another data set, and known from long ago", 25h, {{{"epoch", "e2"}}, {}, {}, "run-2", noon}, {}},
      {"an empty store, and known from long ago: nobody has kept it", 240h, {{}, {}, {}, "run-2", noon}, {"epoch: absent -> 'new1'", put_back, "announce lost"}},
  };
  for (const auto& row : rows) {
    CAPTURE(row.why);
    Ids ids;
    recalled.read_at = noon - row.age;
    const auto planned = plan(recalled, row.now, ids.means());
    CHECK(said(planned) == row.want);
    CHECK(planned.has_news);
    CHECK_FALSE(planned.after.is_recalled);
    for (const auto& step : planned.steps)
      if (const auto* release = std::get_if<Release>(&step)) CHECK(release->telling == Telling::if_done);
  }
}

TEST_CASE("the event of a loss is claimed under one name by all daemons that knew the same data") {
  Ids one, other;
  const TablesText empty{{}, {}, {}, "run-2", noon};
  const auto a = plan(known(read({{alice, automatic}})), empty, one.means());
  const auto b = plan(known(read({{alice, automatic}, {"user:bob@example.com", whole}})), empty, other.means());
  CHECK(std::get<Announce>(a.steps.back()).claim == std::get<Announce>(b.steps.back()).claim);
  CHECK(std::get<Announce>(a.steps.back()).event.text.find("must be repeated") != std::string::npos);
}

TEST_CASE("live limits and accounts are taken as found where data was lost") {
  Ids ids;
  const auto before = known(read({}, {{alice + " *", "unlimited since=2026-11-22T11:00:00Z"}}, {{alice, "acme gold"}}));
  const auto planned = plan(before, {{}, {}, {}, "run-2", noon}, ids.means());
  CHECK(said(planned) == Steps{"epoch: absent -> 'new1'", "announce lost"});
  CHECK(planned.tables.overrides().empty());
  CHECK(planned.tables.accounts.empty());
}

}  // namespace quota
