#include "quota/text.hpp"

#include <doctest/doctest.h>

namespace quota {
namespace {

using Parts = std::vector<std::string_view>;

TEST_CASE("lower folds ASCII letters and leaves every other byte alone") {
  CHECK(lower("AbZ@[`{") == "abz@[`{");
  CHECK(lower("\xC3\x84 \xFF") == "\xC3\x84 \xFF");
}

TEST_CASE("trim takes white space of every kind off both ends, and only there") {
  CHECK(trim(" \t\r\n\v\fa b \n") == "a b");
  CHECK(trim("   ").empty());
  CHECK(trim("").empty());
}

TEST_CASE("split gives the trimmed parts, one more than there are separators") {
  CHECK(split("a, b ,c", ',') == Parts{"a", "b", "c"});
  CHECK(split("", ',') == Parts{""});
  CHECK(split(",", ',') == Parts{"", ""});
}

TEST_CASE("next_word takes one word and the white space around it") {
  std::string_view rest = "  one \t two  ";
  CHECK(next_word(rest) == "one");
  CHECK(rest == "two");
  CHECK(next_word(rest) == "two");
  CHECK(next_word(rest).empty());
  CHECK(rest.empty());
}

TEST_CASE("a number is digits that fit, and nothing else") {
  struct {
    std::string_view text;
    std::optional<std::int64_t> want;
  } const rows[] = {
      {"0", 0},
      {"007", 7},
      {"9223372036854775807", 9223372036854775807},
      {"9223372036854775808", {}},  // does not fit
      {"", {}},
      {"-1", {}},
      {"+1", {}},
      {" 1", {}},
      {"1 ", {}},
      {"1.5", {}},
      {"0x10", {}},
      {"1e3", {}},
  };
  for (const auto& row : rows) {
    CAPTURE(row.text);
    CHECK(parse_number(row.text) == row.want);
  }
  CHECK(parse_number<std::uint32_t>("4294967295") == 4294967295);
  CHECK(!parse_number<std::uint32_t>("4294967296"));
}

}  // namespace
}  // namespace quota
