#include "milter/mail_queue/lines.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace milter::mail_queue;

TEST_CASE("lines are the same however they were cut, and never longer than a bound") {
  const std::string text = "one\n\ntwo\r\n" + std::string(5000, 'x') + "\nlast";
  const std::vector<std::string> want{"one", "", "two\r", std::string(1000, 'x'), "last"};
  for (const auto size : std::initializer_list<std::size_t>{1, 2, 3, 7, 999, 1000, 100'000}) {
    CAPTURE(size);
    std::vector<std::string> got;
    Lines lines([&](std::string_view line) { got.emplace_back(line); });
    for (std::size_t at = 0; at < text.size(); at += size) lines.take(std::string_view(text).substr(at, size));
    CHECK(got.size() == 4);  // what has not ended is no line yet
    lines.end();
    lines.end();
    CHECK(got == want);
  }
}
