#include "milter/cli/wording.hpp"

#include <doctest/doctest.h>

#include "tests/milter/cli/example_view.hpp"

using namespace milter::cli;

TEST_CASE("a moment is the time of day today, the date otherwise, and says how far away it is") {
  struct {
    std::string moment, want;
  } const cases[] = {
      {"2026-11-22T14:00:37Z", "14:00 (in 37s)"},
      {"2026-11-22T14:41:01Z", "14:41 (in 42m)"},  // rounded up: then it is over
      {"2026-11-22T23:41:00+09:00", "14:41 (in 41m)"},
      {"2026-11-22T19:00:00Z", "19:00 (in 5h)"},
      {"2026-11-25T14:00:00Z", "2026-11-25 14:00 (in 3d)"},
      {"2026-11-22T14:00:00Z", "14:00 (0s ago)"},
      {"2026-11-22T13:17:01Z", "13:17 (42m ago)"},
      {"2026-11-20T08:00:00Z", "2026-11-20 08:00 (2d ago)"},
      {"soon", "soon"},  // what is no moment is not hidden
      {"", ""},
  };
  for (const auto& [moment, want] : cases) CHECK(when_text(moment, test::view) == want);
}

TEST_CASE("bytes are counted in thousands") {
  struct {
    std::int64_t bytes;
    std::string want;
  } const cases[] = {{0, "0B"},
                     {999, "999B"},
                     {1000, "1kB"},
                     {1500, "1.5kB"},
                     {500'000'000, "500MB"},
                     {123'456'789, "123.5MB"},
                     {2'000'000'000'000, "2TB"},
                     {9'007'199'254'740'992, "9007.2TB"}};
  for (const auto& [bytes, want] : cases) CHECK(bytes_text(bytes) == want);
}

TEST_CASE("a limit is worded with its use, and coloured by it") {
  struct {
    std::string json, want;
    Style want_style;
  } const cases[] = {
      {R"({"limit":"250 messages / 15m","unit":"messages","amount":250,"period":"15m","burst":250,"used":33})",
       "33/250 messages per 15m", Style::plain},
      {R"({"unit":"recipients","amount":2000,"period":"1d","burst":500,"used":400})", "400/500 recipients, 2000 per 1d",
       Style::warning},
      {R"({"unit":"recipients","amount":2000,"period":"1d","burst":500,"used":399})", "399/500 recipients, 2000 per 1d",
       Style::plain},
      {R"({"unit":"bytes","amount":500000000,"period":"1d","burst":500000000,"used":500000000})", "500MB/500MB per 1d",
       Style::bad},
      {R"({"unit":"messages","amount":1,"period":"1d","burst":1,"used":0})", "0/1 messages per 1d", Style::plain},
      {R"({"unit":"recipients","amount":300,"period":"message","burst":null,"used":null})",
       "at most 300 recipients per message", Style::plain},
      {R"({"limit":"unlimited","amount":null})", "unlimited", Style::plain},
      {R"({"limit":"none"})", "none", Style::bad},
  };
  for (const auto& row : cases) {
    const auto& [json, want, want_style] = row;
    CAPTURE(row.json);
    const auto limit = boost::json::parse(json).as_object();
    CHECK(use_text(limit) == want);
    CHECK(use_style(limit) == want_style);
  }
}
