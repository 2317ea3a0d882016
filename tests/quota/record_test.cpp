#include "quota/record.hpp"

#include <doctest/doctest.h>

#include <algorithm>

#include "tests/support/must.hpp"

namespace quota {
namespace {

using namespace std::chrono_literals;

constexpr Timestamp start{Milliseconds{1'763'790'000'000}};

TEST_CASE("a record is written field by field as documented, and reads back as itself") {
  Record record;
  record.buckets["mailbox messages/15m"] = {33, 0, 250, 250, start};
  record.buckets["mailbox bytes/1500ms"] = {1, 2, 3, 4, start};
  record.refusals["mailbox"] = {12, start};
  record.ladder = {2, start + 7 * 24h};
  record.block = "3f9c2a71b0de";
  record.held["mx1.example.com"] = 118;
  const auto text = format(record);
  const RecordText want{{"mailbox bytes/1500ms", "1/4 2 3 1763790000000"},
                        {"mailbox messages/15m", "33/250 0 250 1763790000000"},
                        {"mailbox refusals", "12 1763790000000"},
                        {"ladder", "2 1764394800000"},
                        {"block", "3f9c2a71b0de"},
                        {"held mx1.example.com", "118"}};
  CHECK(text == want);
  CHECK(parse_record(text) == record);
  CHECK(parse_record({}).is_empty());
  CHECK(!record.is_empty());
}

TEST_CASE("the names of fields are those of the quota, the limit and the host") {
  const auto limit = must(Limit::make(Unit::messages, 250, 900s, 10));
  CHECK(bucket_field("mailbox", limit) == "mailbox messages/15m");
  CHECK(refusals_field("mailbox") == "mailbox refusals");
  CHECK(held_field("mx1.example.com") == "held mx1.example.com");
}

TEST_CASE("a field that cannot be understood is left out, and the others are read") {
  const auto record = parse_record({{"mailbox messages/15m", "33/250"},
                                    {"mailbox messages", "33/250 0 250 1"},
                                    {"mailbox messages/fortnight", "33/250 0 250 1"},
                                    {"messages/15m", "33/250 0 250 1"},
                                    {"mailbox refusals", "many"},
                                    {"ladder", "2"},
                                    {"held mx1", "-1"},
                                    {"", ""},
                                    {"something new", "x"},
                                    {"web refusals", "3 1763790000000"}});
  CHECK(record.buckets.empty());
  CHECK(!record.ladder);
  CHECK(record.held.empty());
  REQUIRE(record.refusals.size() == 1);
  CHECK(record.refusals.at("web") == Refusals{3, start});
}

TEST_CASE("counts and moments beyond what a double holds are not read") {
  CHECK(parse_refusals("9007199254740991 9007199254740991"));
  for (const auto* text : {"9007199254740992 1", "1 9007199254740992", "1", "1 2 3", "-1 2", "1  2", "", " "}) {
    CAPTURE(text);
    CHECK(!parse_refusals(text));
    CHECK(!parse_ladder(text));
  }
}

TEST_CASE("a window of refusals begins with its first and starts anew when it has passed") {
  struct {
    Milliseconds at;
    std::int64_t more;
    Refusals want;
  } const steps[] = {
      {0min, 1, {1, start}},          {5min, 2, {3, start}},
      {10min - 1ms, 1, {4, start}},   {10min, 1, {1, start + 10min}},
      {11min, 1, {2, start + 10min}}, {9min, 1, {1, start + 9min}},  // a window from the future: the clock stepped back
  };
  std::optional<Refusals> refusals;
  for (const auto& step : steps) {
    CAPTURE(step.at.count());
    refusals = counted(refusals, start + step.at, 10min, step.more);
    CHECK(*refusals == step.want);
  }
  CHECK(counted(Refusals{exact_bound - 1, start}, start, 10min, 5).count == exact_bound - 1);
}

}  // namespace
}  // namespace quota
