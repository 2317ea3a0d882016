#include "quota/account_map.hpp"

#include <doctest/doctest.h>

#include "tests/support/must.hpp"

namespace quota {
namespace {

TEST_CASE("an account is a name and perhaps a plan, both in canonical spelling") {
  CHECK(must(parse_account("Acme")) == Account{"acme", ""});
  CHECK(must(parse_account("  Acme   GOLD ")) == Account{"acme", "gold"});
  CHECK(must(parse_account("M\xC3\xBCller")) == Account{"m%C3%BCller", ""});
  CHECK(parse_account("").error() == "'' is no account: write ACCOUNT or ACCOUNT PLAN");
  CHECK(parse_account("a b c").error() == "'a b c' is no account: write ACCOUNT or ACCOUNT PLAN");
}

TEST_CASE("users, domains and uids can belong to an account") {
  struct {
    std::string_view text, want;
  } const rows[] = {{"alice@Example.com", "user:alice@example.com"},
                    {"user:alice", "user:alice"},
                    {"@Example.com.", "user_domain:example.com"},
                    {"user_domain:example.com", "user_domain:example.com"},
                    {"uid:MX1/1000", "uid:mx1/1000"}};
  for (const auto& row : rows) {
    CAPTURE(row.text);
    CHECK(must(parse_account_owner(row.text)).text() == row.want);
  }
  for (const auto* text : {"sender:alice@example.com", "client:192.0.2.1", "account:acme", "everyone"}) {
    CAPTURE(text);
    CHECK(parse_account_owner(text).error() ==
          "'" + std::string(text) + "' cannot belong to an account: write user:ADDRESS, @DOMAIN or uid:HOST/UID");
  }
  CHECK(!parse_account_owner("@").has_value());
  CHECK(!parse_account_owner("").has_value());
}

TEST_CASE("a file of accounts is read line by line, whatever its line ends and comments") {
  const auto file = parse_account_file(
      "# customers\r\n\r\nalice@example.com acme gold\r\n  @bulk.example   bulk  # the newsletter\nuid:mx1/1000 acme");
  REQUIRE(file.problems.empty());
  CHECK(file.accounts.size() == 3);
  CHECK(*file.accounts.find({Kind::user, "alice@example.com"}) == Account{"acme", "gold"});
  CHECK(*file.accounts.find({Kind::user_domain, "bulk.example"}) == Account{"bulk", ""});
  CHECK(*file.accounts.find({Kind::uid, "mx1/1000"}) == Account{"acme", ""});
  CHECK(!file.accounts.find({Kind::user, "bob@example.com"}));
  CHECK(parse_account_file("").accounts.empty());
  CHECK(parse_account_file("user:alice acme", {"example.com", ""}).accounts.find({Kind::user, "alice@example.com"}));
}

TEST_CASE("every bad line of a file is reported with its number") {
  const auto file = parse_account_file(
      "alice@example.com acme\nbob@example.com\n\nnobody acme\nAlice@example.com. other\n@example.com a b c\n");
  REQUIRE(file.problems.size() == 4);
  CHECK(file.problems[0].line == 2);
  CHECK(file.problems[0].what == "'' is no account: write ACCOUNT or ACCOUNT PLAN");
  CHECK(file.problems[1].line == 4);
  CHECK(file.problems[2].line == 5);
  CHECK(file.problems[2].what == "user:alice@example.com has an account already; keep one line");
  CHECK(file.problems[3].line == 6);
}

TEST_CASE("an account's plan is known whichever of its entries names it") {
  AccountMap accounts;
  accounts.set({Kind::user, "alice@example.com"}, {"acme", ""});
  CHECK(accounts.plan_of("acme").empty());
  accounts.set({Kind::user_domain, "example.com"}, {"acme", "gold"});
  CHECK(accounts.plan_of("acme") == "gold");
  CHECK(accounts.plan_of("other").empty());
}

}  // namespace
}  // namespace quota
