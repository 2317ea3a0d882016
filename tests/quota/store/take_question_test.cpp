// What a server answers to a question about a message, where it is not take.lua's answer.
#include "quota/store/take_question.hpp"

#include <doctest/doctest.h>

#include "tests/quota/store/contract.hpp"

namespace quota::test {

TEST_CASE("an answer whose numbers make no sense is no answer") {
  using namespace std::chrono_literals;
  const Charge charges[] = {charge(user("alice"), messages(10, 1h, 10), 1)};
  const std::size_t which[] = {0};
  TakeQuestion question("", "take", 1);
  question.add_record("record", charges, which, 1);
  struct Row {
    std::string why, reply, want;
  } const rows[] = {
      {"as it should be", "*4\r\n:1700000000000\r\n:3\r\n:3\r\n:0\r\n", ""},
      {"with a refusal counted", "*5\r\n:1700000000000\r\n:2\r\n:3\r\n:0\r\n:7\r\n", ""},
      {"the greatest that is exact", "*4\r\n:9007199254740992\r\n:3\r\n:3\r\n:0\r\n", ""},
      {"a time that no clock tells", "*4\r\n:9007199254740993\r\n:3\r\n:3\r\n:0\r\n", "a number without sense"},
      {"less than nothing used", "*4\r\n:1700000000000\r\n:3\r\n:-3\r\n:0\r\n", "a number without sense"},
      {"all that an integer holds", "*4\r\n:1700000000000\r\n:3\r\n:9223372036854775807\r\n:0\r\n", "a number without sense"},
      {"a text", "*4\r\n:1700000000000\r\n:3\r\n$1\r\n3\r\n:0\r\n", "no number"},
      {"too few", "*3\r\n:1700000000000\r\n:3\r\n:3\r\n", "its length"},
      {"too many", "*6\r\n:1700000000000\r\n:3\r\n:3\r\n:0\r\n:0\r\n:0\r\n", "its length"},
      {"no list", ":1\r\n", "its length"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.why);
    ReplyReader reader;
    reader.feed(row.reply);
    auto reply = reader.next({});
    REQUIRE(reply.has_value());
    REQUIRE(reply->has_value());
    const auto outcome = question.read(**reply);
    CHECK(outcome.has_value() == row.want.empty());
    if (outcome) continue;
    CHECK(outcome.error().kind == StoreErrorKind::nonsense);
    CHECK(outcome.error().text.find(row.want) != std::string::npos);
  }
}

}  // namespace quota::test
