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

const std::string unknown = "\xEF\xBF\xBD";  // U+FFFD

TEST_CASE("each byte that belongs to no UTF-8 character is replaced, and nothing else") {
  struct {
    std::string text, want;
  } const rows[] = {
      {"", ""},
      {"plain", "plain"},
      {"caf\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80", "caf\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80"},
      {"caf\xE9", "caf" + unknown},                           // Latin-1
      {"\xE9t\xE9", unknown + "t" + unknown},                 // the text between is kept
      {"\xE2\x82", unknown + unknown},                        // cut short
      {"\xE2\x82\"", unknown + unknown + "\""},              // what follows is not swallowed
      {"\x80\xBF", unknown + unknown},                        // continues nothing
      {"\xC0\xAF", unknown + unknown},                        // '/' spelled too long
      {"\xE0\x9F\xBF", unknown + unknown + unknown},          // likewise
      {"\xF0\x8F\xBF\xBF", unknown + unknown + unknown + unknown},
      {"\xED\xA0\x80", unknown + unknown + unknown},          // a surrogate
      {"\xF4\x90\x80\x80", unknown + unknown + unknown + unknown},  // above U+10FFFF
      {"\xF4\x8F\xBF\xBF\xED\x9F\xBF\xEE\x80\x80", "\xF4\x8F\xBF\xBF\xED\x9F\xBF\xEE\x80\x80"},  // the edges
      {"\xFF\xFE", unknown + unknown},
  };
  for (const auto& row : rows) {
    CAPTURE(row.text);
    CHECK(valid_utf8(row.text) == row.want);
    CHECK(is_utf8(row.text) == (row.text == row.want));
    CHECK(is_utf8(row.want));
  }
}

TEST_CASE("the head of a text ends between two characters") {
  struct {
    std::string_view text;
    std::size_t most;
    std::string_view want;
  } const rows[] = {
      {"abc", 3, "abc"},
      {"abc", 2, "ab"},
      {"a\xC3\xA9", 2, "a"},
      {"a\xC3\xA9z", 3, "a\xC3\xA9"},
      {"\xF0\x9F\x98\x80", 3, ""},
      {"a\xF0\x9F\x98\x80", 4, "a"},
      {"a\xE9z", 2, "a\xE9"},                          // no UTF-8: a byte is a character
      {"a\x80\x80\x80\x80\x80", 4, "a\x80\x80\x80"},  // continues nothing
      {"abc", 0, ""},
  };
  for (const auto& row : rows) {
    CAPTURE(row.text);
    CHECK(head_of(row.text, row.most) == row.want);
  }
}

}  // namespace
}  // namespace quota
