#include "quota/time_text.hpp"

#include <doctest/doctest.h>

#include <random>

#include "tests/support/must.hpp"

namespace quota {
namespace {

using namespace std::chrono_literals;

TEST_CASE("a duration is a whole number and a unit, and is written back in its shortest exact form") {
  struct {
    std::string_view text;
    Milliseconds want;
    std::string_view canonical;
  } const rows[] = {
      {"1ms", 1ms, "1ms"},
      {"1500ms", 1500ms, "1500ms"},
      {"1000ms", 1s, "1s"},
      {"90s", 90s, "90s"},
      {"60s", 1min, "1m"},
      {"15m", 15min, "15m"},
      {"15 m", 15min, "15m"},
      {"24h", 24h, "1d"},
      {"36h", 36h, "36h"},
      {"1w", 168h, "7d"},
      {"3660d", longest_duration, "3660d"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.text);
    const auto duration = must(parse_duration(row.text));
    CHECK(duration == row.want);
    CHECK(format_duration(duration) == row.canonical);
  }
}

TEST_CASE("what is no duration is refused with a sentence that says what to write") {
  constexpr std::string_view how = " is no duration: write a whole number and ms, s, m, h, d or w, as in 15m";
  for (const std::string text :
       {"", "15", "m", "1.5h", "-1h", "1 fortnight", "15M", "1h30m", "99999999999999999999d"}) {
    CAPTURE(text);
    const auto duration = parse_duration(text);
    REQUIRE(!duration.has_value());
    CHECK(duration.error() == "'" + text + "'" + std::string(how));
  }
  CHECK(parse_duration("0s").error() == "'0s' is no duration: it must be at least 1 ms");
  CHECK(parse_duration("3661d").error() == "'3661d' is too long: at most 3660d");
  CHECK(parse_duration("9223372036854775807w").error() == "'9223372036854775807w' is too long: at most 3660d");
}

TEST_CASE("every duration survives being written and read") {
  std::mt19937_64 random(1);
  for (int i = 0; i < 2000; ++i) {
    const Milliseconds any{std::uniform_int_distribution<std::int64_t>(1, longest_duration.count())(random)};
    const Milliseconds round{std::max<std::int64_t>(1, any.count() / 3'600'000) * 3'600'000};
    CHECK(must(parse_duration(format_duration(any))) == any);
    CHECK(must(parse_duration(format_duration(round))) == round);
  }
}

TEST_CASE("a moment is an RFC 3339 time in any offset") {
  const Timestamp noon = std::chrono::sys_days{std::chrono::year{2026} / 12 / 1} + 12h;
  struct {
    std::string_view text;
    Timestamp want;
    std::string_view canonical;
  } const rows[] = {
      {"2026-12-01T12:00:00Z", noon, "2026-12-01T12:00:00Z"},
      {" 2026-12-01 12:00:00z ", noon, "2026-12-01T12:00:00Z"},
      {"2026-12-01T21:00:00+09:00", noon, "2026-12-01T12:00:00Z"},
      {"2026-12-01T21:00:00+0900", noon, "2026-12-01T12:00:00Z"},
      {"2026-11-30T22:30:00-13:30", noon, "2026-12-01T12:00:00Z"},
      {"2026-12-01T12:00:00.5Z", noon + 500ms, "2026-12-01T12:00:00.500Z"},
      {"2026-12-01T12:00:00.0019999Z", noon + 1ms, "2026-12-01T12:00:00.001Z"},
      {"1970-01-01T00:00:00Z", Timestamp{}, "1970-01-01T00:00:00Z"},
      {"2028-02-29T00:00:00Z", std::chrono::sys_days{std::chrono::year{2028} / 2 / 29}, "2028-02-29T00:00:00Z"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.text);
    const auto moment = parse_moment(row.text);
    REQUIRE(moment);
    CHECK(*moment == row.want);
    CHECK(format_moment(*moment) == row.canonical);
  }
}

TEST_CASE("what is no moment is refused, never guessed at") {
  for (const auto* text :
       {"", "tomorrow", "2026-12-01", "2026-12-01T12:00Z", "2026-12-01T12:00:00", "2026-12-01T12:00:00.Z",
        "2026-02-29T00:00:00Z", "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z", "2026-12-32T00:00:00Z",
        "2026-12-01T24:00:00Z", "2026-12-01T12:60:00Z", "2026-12-01T12:00:60Z", "2026-12-01T12:00:00+24:00",
        "2026-12-01T12:00:00+09:60", "2026-12-01T12:00:00Z and more", "26-12-01T12:00:00Z", "+026-12-01T12:00:00Z"}) {
    CAPTURE(text);
    CHECK(!parse_moment(text));
  }
}

TEST_CASE("every moment of five centuries survives being written and read") {
  std::mt19937_64 random(2);
  for (int i = 0; i < 2000; ++i) {
    const Timestamp any{Milliseconds{std::uniform_int_distribution<std::int64_t>(0, 16'000'000'000'000)(random)}};
    CHECK(parse_moment(format_moment(any)) == any);
  }
}

}  // namespace
}  // namespace quota
