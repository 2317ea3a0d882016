#include "milter/admin/target.hpp"

#include <doctest/doctest.h>

using namespace milter::admin;

TEST_CASE("a path is split before it is decoded, so that an identity may contain a slash") {
  struct {
    std::string text;
    std::vector<std::string> want;
  } const cases[] = {
      {"/", {}},
      {"/v1/status", {"v1", "status"}},
      {"/v1/identities/user:alice@example.com", {"v1", "identities", "user:alice@example.com"}},
      {"/v1/identities/script%3Amx1%2F1000%3aform.php/release",
       {"v1", "identities", "script:mx1/1000:form.php", "release"}},
      {"/v1/identities/user:a%2520b", {"v1", "identities", "user:a%20b"}},  // the identity itself holds an escape
      {"/v1//status", {"v1", "", "status"}},                                // no second spelling of a path
      {"/a+b", {"a+b"}},                                                    // '+' is no space in a path
  };
  for (const auto& row : cases) {
    const auto& [text, want] = row;
    CAPTURE(row.text);
    const auto target = parse_target(text);
    REQUIRE(target);
    CHECK(target->path == want);
  }
}

TEST_CASE("a query is decoded into its pairs") {
  const auto target = parse_target("/x?since=2026-11-22T05%3A00%3A00Z&flag&empty=&a=b=c");
  REQUIRE(target);
  CHECK(target->path == std::vector<std::string>{"x"});
  CHECK(target->query == std::map<std::string, std::string>{
                             {"since", "2026-11-22T05:00:00Z"}, {"flag", ""}, {"empty", ""}, {"a", "b=c"}});
}

TEST_CASE("a target that can be read in two ways is not read at all") {
  for (const std::string text :
       {"", "v1/status", "/a%", "/a%4", "/a%zz", "/a%+4", "/a%00b", "/a?b=1&b=2", "/a?b=%", "http://x/a"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_target(text));
  }
}

TEST_CASE("whatever is encoded decodes to itself and stays one segment") {
  std::string every_byte;
  for (int byte = 1; byte < 256; ++byte) every_byte += static_cast<char>(byte);
  const auto encoded = percent_encode(every_byte);
  CHECK(percent_decode(encoded) == every_byte);
  CHECK(encoded.find_first_of("/?#&= :") == std::string::npos);
  CHECK(percent_encode("user:alice@example.com") == "user%3Aalice%40example.com");
}
