#include "quota/address.hpp"

#include <doctest/doctest.h>

namespace quota {
namespace {

TEST_CASE("a domain is lower case, without spaces and trailing dots around it") {
  for (const auto* raw : {"example.com", "EXAMPLE.com", "example.com.", " example.com . . "}) {
    CAPTURE(raw);
    CHECK(canonical_domain(raw) == "example.com");
  }
  CHECK(canonical_domain(" . ").empty());
}

TEST_CASE("all spellings of one login are one login") {
  for (const auto* raw : {"alice@example.com", "Alice@Example.COM", " alice@example.com ", "alice@example.com.",
                          "alice @ example.com..", "alice", "ALICE", "alice.", "alice@", "alice @ ."}) {
    CAPTURE(raw);
    CHECK(canonical_login(raw, "Example.com.") == "alice@example.com");
  }
}

TEST_CASE("a login without a realm to give it stays bare, and one with a domain keeps it") {
  CHECK(canonical_login("Alice", "") == "alice");
  CHECK(canonical_login("alice@", "") == "alice");
  CHECK(canonical_login("alice@other.example", "example.com") == "alice@other.example");
  CHECK(canonical_login("a@b@c", "example.com") == "a@b@c");
  CHECK(canonical_login("", "example.com").empty());
  CHECK(canonical_login(" . @ ", "example.com").empty());
}

TEST_CASE("all spellings of one sender are one sender") {
  for (const auto* raw :
       {"<alice@example.com>", "alice@example.com", "<Alice@EXAMPLE.com>", "< alice@example.com >",
        "<alice@example.com.>", "<\"alice\"@example.com>", "<\"a\\lice\"@example.com>", "<\" alice \"@example.com>",
        "<@relay.example:alice@example.com>", "<@a.example,@b.example:alice@example.com>", "<alice+news@example.com>",
        "<alice+a+b@example.com>", "<\"alice+a b\"@example.com>", "<\"alice +x\"@example.com>"}) {
    CAPTURE(raw);
    CHECK(canonical_address(raw, "+") == "alice@example.com");
  }
}

TEST_CASE("detail is cut at the first of the delimiters, never to nothing, and not at all without them") {
  CHECK(canonical_address("<alice-list+x@example.com>", "+-") == "alice@example.com");
  CHECK(canonical_address("<alice+x@example.com>", "") == "alice+x@example.com");
  CHECK(canonical_address("<+alice@example.com>", "+") == "+alice@example.com");
  CHECK(canonical_address("<+alice+x@example.com>", "+") == "+alice@example.com");
  CHECK(canonical_address("<alice@exa+mple.com>", "+") == "alice@exa+mple.com");
}

TEST_CASE("the domain begins behind the quotes, whatever stands in them") {
  CHECK(canonical_address("<\"alice@inner.example\"@example.com>", "") == "alice@inner.example@example.com");
  CHECK(canonical_address("<\"weird local\"@example.com>", "") == "weird local@example.com");
  CHECK(canonical_address("<\"a\\\"b\"@example.com>", "") == "a\"b@example.com");
  CHECK(canonical_address("<\"alice@example.com\">", "") == "alice@example.com");  // no domain of its own
  CHECK(canonical_address("<\"unterminated@example.com>", "") == "\"unterminated@example.com");
}

TEST_CASE("an address without a domain is its local part, and nothing is the null sender") {
  CHECK(canonical_address("www-data", "") == "www-data");
  CHECK(canonical_address("<www-data@>", "") == "www-data");
  for (const auto* raw : {"", "<>", " < > ", "<<>>", "<@>", "<\"\">"}) {
    CAPTURE(raw);
    CHECK(canonical_address(raw, "+").empty());
  }
}

TEST_CASE("what is canonical already stays as it is when it is read as a login") {
  for (const auto* raw : {"<\"alice +x\"@example.com>", "<\"a. \"@example.com>", "<\"x @y\"@>", "<\" @ . @ \">",
                          "<a@b@c.>", "<\"\\\"\\\"\"@d>"}) {
    CAPTURE(raw);
    const auto once = canonical_address(raw, "+");
    CHECK(canonical_login(once, "") == once);
  }
}

}  // namespace
}  // namespace quota
