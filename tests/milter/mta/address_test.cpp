#include "milter/mta/address.hpp"

#include <doctest/doctest.h>

#include <optional>

using namespace milter::mta;

TEST_CASE("a milter's address is written as libmilter writes it") {
  using Family = Address::Family;
  const struct {
    std::string text;
    std::optional<Address> want;
  } cases[] = {
      {"unix:/run/s", Address{Family::unix_path, "/run/s", 0}},
      {"local:/run/s", Address{Family::unix_path, "/run/s", 0}},
      {"/run/s", Address{Family::unix_path, "/run/s", 0}},
      {"unix:relative/s", Address{Family::unix_path, "relative/s", 0}},
      {"inet:8891@127.0.0.1", Address{Family::inet, "127.0.0.1", 8891}},
      {"inet:8891@[127.0.0.1]", Address{Family::inet, "127.0.0.1", 8891}},
      {"inet:8891@localhost", Address{Family::inet, "localhost", 8891}},
      {"inet:8891", Address{Family::inet, "127.0.0.1", 8891}},
      {"inet6:8891@::1", Address{Family::inet6, "::1", 8891}},
      {"inet6:8891@[::1]", Address{Family::inet6, "::1", 8891}},
      {"inet6:8891", Address{Family::inet6, "::1", 8891}},
      {"", std::nullopt},
      {"unix:", std::nullopt},
      {"unix:/" + std::string(107, 'x'), std::nullopt},  // one more than a socket address holds
      {"inet:", std::nullopt},
      {"inet:127.0.0.1:8891", std::nullopt},  // Postfix's notation
      {"inet:0@127.0.0.1", std::nullopt},
      {"inet:65536@127.0.0.1", std::nullopt},
      {"inet:8891@", std::nullopt},
      {"tcp:8891@127.0.0.1", std::nullopt},
      {"localhost", std::nullopt},
  };
  for (const auto& row : cases) {
    CAPTURE(row.text);
    const auto got = parse_address(row.text);
    CHECK(got.has_value() == row.want.has_value());
    if (got && row.want) CHECK(*got == *row.want);
    if (!got) CHECK(got.error().find("write") + got.error().find("longer") != 0);
  }
}
