#include "quota/network.hpp"

#include <doctest/doctest.h>

#include "tests/support/must.hpp"

namespace quota {
namespace {

IpAddress address(std::string_view text) { return must(IpAddress::parse(text)); }

TEST_CASE("an address has one text, and IPv4 mapped into IPv6 is IPv4") {
  struct {
    std::string_view text, canonical;
  } const rows[] = {
      {"192.0.2.1", "192.0.2.1"},
      {"::ffff:192.0.2.1", "192.0.2.1"},
      {"0:0:0:0:0:FFFF:c000:0201", "192.0.2.1"},
      {"2001:DB8:0:0:0:0:0:1", "2001:db8::1"},
      {"::", "::"},
      {"0.0.0.0", "0.0.0.0"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.text);
    CHECK(address(row.text).text() == row.canonical);
    CHECK(address(row.canonical) == address(row.text));
  }
  CHECK(IpAddress::from_v4({192, 0, 2, 1}) == address("::ffff:192.0.2.1"));
  CHECK(IpAddress::from_v6({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1}).is_v4());
  CHECK(!address("::192.0.2.1").is_v4());
}

TEST_CASE("what is no address is refused") {
  for (const std::string_view text : {"", "localhost", "192.0.2", "192.0.2.256", "192.0.2.1 ", "192.0.2.01", "[::1]",
                                      "fe80::1%eth0", "::g", "1:2:3:4:5:6:7:8:9"}) {
    CAPTURE(text);
    CHECK(!IpAddress::parse(text));
  }
  using namespace std::string_view_literals;
  CHECK(!IpAddress::parse("192.0.2.1\0junk"sv));  // C would read the first half
}

TEST_CASE("a mask keeps the first bits of its own family") {
  CHECK(address("192.0.2.129").masked(25).text() == "192.0.2.128");
  CHECK(address("192.0.2.129").masked(0).text() == "0.0.0.0");
  CHECK(address("192.0.2.129").masked(32).text() == "192.0.2.129");
  CHECK(address("2001:db8:1:2:3:4:5:6").masked(64).text() == "2001:db8:1:2::");
  CHECK(address("2001:db8:1:2:3:4:5:6").masked(61).text() == "2001:db8:1::");
  CHECK(address("2001:db8::").masked(0).text() == "::");
}

TEST_CASE("a network contains the addresses of its own family behind its prefix") {
  struct {
    std::string_view network, address;
    bool want;
  } const rows[] = {
      {"192.0.2.0/24", "192.0.2.255", true},
      {"192.0.2.0/24", "192.0.3.0", false},
      {"192.0.2.0/24", "::ffff:192.0.2.9", true},
      {"192.0.2.7", "192.0.2.7", true},
      {"192.0.2.7", "192.0.2.8", false},
      {"0.0.0.0/0", "203.0.113.1", true},
      {"0.0.0.0/0", "2001:db8::1", false},
      {"::/0", "2001:db8::1", true},
      {"::/0", "192.0.2.1", false},
      {"2001:db8::/32", "2001:db8:f::", true},
      {"2001:db8::/32", "2001:db9::", false},
  };
  for (const auto& row : rows) {
    CAPTURE(row.network);
    CAPTURE(row.address);
    CHECK(must(Network::parse(row.network)).contains(address(row.address)) == row.want);
  }
}

TEST_CASE("a network has one text") {
  struct {
    std::string_view text, canonical;
  } const rows[] = {
      {"192.0.2.0/24", "192.0.2.0/24"},   {" 192.0.2.0 / 24 ", "192.0.2.0/24"}, {"192.0.2.7/32", "192.0.2.7"},
      {"2001:DB8::/32", "2001:db8::/32"}, {"2001:db8::1/128", "2001:db8::1"},   {"::ffff:192.0.2.0/24", "192.0.2.0/24"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.text);
    CHECK(must(Network::parse(row.text)).text() == row.canonical);
  }
}

TEST_CASE("what is no network is refused with a sentence that says what to write") {
  struct {
    std::string_view text, want;
  } const rows[] = {
      {"localhost", "'localhost' is no network: write an address or a prefix, as in 192.0.2.0/24 or 2001:db8::/32"},
      {"", "'' is no network: write an address or a prefix, as in 192.0.2.0/24 or 2001:db8::/32"},
      {"192.0.2.0/33", "'192.0.2.0/33' has no valid prefix length: write a number from 0 to 32"},
      {"192.0.2.0/", "'192.0.2.0/' has no valid prefix length: write a number from 0 to 32"},
      {"192.0.2.0/-1", "'192.0.2.0/-1' has no valid prefix length: write a number from 0 to 32"},
      {"192.0.2.0/255.255.255.0", "'192.0.2.0/255.255.255.0' has no valid prefix length: write a number from 0 to 32"},
      {"2001:db8::/129", "'2001:db8::/129' has no valid prefix length: write a number from 0 to 128"},
      {"192.0.2.1/24", "'192.0.2.1/24' has bits set behind its prefix: write 192.0.2.0/24"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.text);
    const auto network = Network::parse(row.text);
    REQUIRE(!network.has_value());
    CHECK(network.error() == row.want);
  }
}

}  // namespace
}  // namespace quota
