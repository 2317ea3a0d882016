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

TEST_CASE("colours are around texts only, and only where they are wanted") {
  View colourful = test::view;
  colourful.colours = Colours::always;
  Table table({{"A"}, {"B"}});
  table.add({{"x", Style::bad}, {"y"}});
  CHECK(table.text(colourful) == "\033[2mA\033[0m  \033[2mB\033[0m\n\033[31mx\033[0m  y\n");
  CHECK(table.text(test::view) == "A  B\nx  y\n");
}
