#include "milter/cli/table.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <sstream>

#include "tests/milter/cli/example_view.hpp"

using namespace milter::cli;
using Fit = Column::Fit;

TEST_CASE("a table is as wide as its texts, and no line ends in spaces") {
  Table table({{"NAME"}, {"N"}, {"REASON"}});
  table.add({{"alice"}, {"1"}, {"x"}});
  table.add({{"bob"}, {"10000"}, {""}});
  CHECK(table.text(test::view) ==
        "NAME   N      REASON\n"
        "alice  1      x\n"
        "bob    10000\n");
}

TEST_CASE("a table without titles has no title line") {
  Table table({{""}, {""}});
  table.add({{"store"}, {"ok"}});
  CHECK(table.text(test::view) == "store  ok\n");
}

TEST_CASE("what is too wide goes on below and nothing is lost") {
  View narrow = test::view;
  narrow.width = 40;
  Table table({{"WHO", Fit::wrap}, {"N"}, {"WHY", Fit::wrap}});
  table.add({{"user:a-very-long-name@example.com"}, {"7"}, {"too many messages to too many people"}});
  CHECK(table.text(narrow) ==
        "WHO                      N  WHY\n"
        "user:a-very-long-name@e  7  too many\n"
        "xample.com                  messages to\n"
        "                            too many\n"
        "                            people\n");
}

TEST_CASE("no line is wider than the view, whatever the texts are") {
  for (std::size_t length = 0; length < 300; length += 7) {
    Table table({{"A", Fit::wrap}, {"B"}, {"C", Fit::wrap}});
    table.add({{std::string(length, 'a')}, {"whole"}, {std::string(300 - length, 'c')}});
    std::istringstream lines(table.text(test::view));
    std::size_t total = 0;
    for (std::string line; std::getline(lines, line);) {
      CHECK(line.size() <= 80);
      total += static_cast<std::size_t>(std::ranges::count_if(line, [](char c) { return c == 'a' || c == 'c'; }));
    }
    CHECK(total == 300);
  }
}

TEST_CASE("a character is one column and is never cut in two") {
  View narrow = test::view;
  narrow.width = 12;
  Table table({{"A", Fit::wrap}});
  table.add({{"ääääääääääääöööö"}});
  CHECK(table.text(narrow) == "A\nääääääääääää\nöööö\n");
}

TEST_CASE("a text cannot speak to the terminal") {
  Table table({{"A"}});
  table.add({{"\033[2Jx\r\ny\x7f\xc2\x9bz"}});
  CHECK(table.text(test::view) == "A\n?[2Jx??y??z\n");
}

TEST_CASE("what is not seen and changes how other text is seen is shown as its number") {
  struct {
    std::string_view text, want;
  } const cases[] = {
      {"invoice\u202Efdp.exe", "invoice\\u{202E}fdp.exe"},
      {"\u061C\u200B\u200F\u202A\u2060\u2064\u2066\u2069\uFEFF", "\\u{061C}\\u{200B}\\u{200F}\\u{202A}\\u{2060}\\u{2064}\\u{2066}\\u{2069}\\u{FEFF}"},
      {"a\u2028b\U000E0041", "a\\u{2028}b\\u{E0041}"},
      {"\u0080\u009F\x7F", "???"},
      {"grüße 漢字 e\u0301 \u200A\u2010\u202F\u2070", "grüße 漢字 e\u0301 \u200A\u2010\u202F\u2070"},  // what is seen stays
      {"\xE2\x80", "\xE2\x80"},  // no character
      {"\xC2", "\xC2"},
  };
  for (const auto& [text, want] : cases) CHECK(printable(text) == want);
}

TEST_CASE("colours are around texts only, and only where they are wanted") {
  View colourful = test::view;
  colourful.colours = Colours::always;
  Table table({{"A"}, {"B"}});
  table.add({{"x", Style::bad}, {"y"}});
  CHECK(table.text(colourful) == "\033[2mA\033[0m  \033[2mB\033[0m\n\033[31mx\033[0m  y\n");
  CHECK(table.text(test::view) == "A  B\nx  y\n");
}
