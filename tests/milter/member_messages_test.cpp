#include "milter/member_messages.hpp"

#include <doctest/doctest.h>

#include "tests/support/must.hpp"

using namespace milter;

TEST_CASE("a script belongs to its uid, host and account, a login to its domain and account, and nobody to anybody else's") {
  const auto map = quota::parse_account_file("@shop.test shop\nuid:mx1/1000 shop\n").accounts;
  const std::array accounts{&map, &map};
  struct {
    const char *member, *wider;
    bool want;
  } const rows[] = {
      {"script:mx1/1000:a.php", "uid:mx1/1000", true},       {"script:mx1/1000:a.php", "uid:mx1/100", false},
      {"script:mx1/1000:a.php", "uid:mx2/1000", false},      {"script:mx1/1000:a.php", "client:local/mx1", true},
      {"script:mx11/1000:a.php", "client:local/mx1", false}, {"script:mx1/1000:a.php", "client:192.0.2.1", false},
      {"user:a@shop.test", "user_domain:shop.test", true},   {"user:a@other.test", "user_domain:shop.test", false},
      {"user:a@sub.shop.test", "user_domain:shop.test", false}, {"user:a@shop.test", "account:shop", true},
      {"script:mx1/1000:a.php", "account:shop", true},       {"script:mx1/2000:a.php", "account:shop", false},
      {"user:a@shop.test", "user:a@shop.test", false},       {"user:a@shop.test", "uid:mx1/1000", false},
  };
  for (const auto& row : rows) {
    CAPTURE(row.member);
    CAPTURE(row.wider);
    CHECK(belongs(quota::must(quota::parse_identity(row.member)), quota::must(quota::parse_identity(row.wider)), accounts) == row.want);
  }
}
