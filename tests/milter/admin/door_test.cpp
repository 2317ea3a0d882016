// Who is let in. The rest of what a browser could be talked into is tried end to end: tests/e2e/test_admin_tcp.py.
#include "milter/admin/door.hpp"

#include <doctest/doctest.h>

#include "quota/encoding.hpp"

using namespace milter::admin;
using namespace std::chrono_literals;

namespace {

const std::string secret = "0123456789abcdef0123456789abcdef";

Token token_of(const std::string& name, Role role, const std::string& account = "") { return {name, role, quota::sha256_hex(secret + name), account}; }

/// A door whose inside says who came in.
struct House {
  Access access{{token_of("reader", Role::read), token_of("chief", Role::admin, "acme")}, {"quota.example.com"}};
  quota::Timestamp now{1'000'000ms};
  std::vector<std::string> said{};
  Door door{{.inside = [](const RawRequest& raw) { return Response{.text = raw.caller.user + " " + std::string(name(raw.caller.role)) + " " + raw.caller.account}; },
             .access = [this] { return std::make_shared<const Access>(access); },
             .now = [this] { return now; },
             .trouble = [this](std::string_view text) { said.emplace_back(text); }}};

  Response ask(Headers headers, const std::string& address = "192.0.2.1", const std::string& body = "") {
    return door.answer({"POST", "/v1/x", body, {.user = address, .address = address, .role = Role::none}, std::move(headers)});
  }
};

Headers bearing(const std::string& token) { return {.authorization = "Bearer " + token}; }

}  // namespace

TEST_CASE("a caller is who his token says, and without one nobody") {
  House house;
  CHECK(house.ask(bearing(secret + "reader")).text == "reader read ");
  CHECK(house.ask({.authorization = "bEARER  " + secret + "chief"}).text == "chief admin acme");
  CHECK(house.ask({}).text == "192.0.2.1 none ");
  for (const auto& wrong : {secret, secret + "readers", std::string("reader"), std::string()}) {
    CAPTURE(wrong);
    const auto response = house.ask(bearing(wrong));
    CHECK(response.status == 401);
    CHECK(response.headers.front().first == "WWW-Authenticate");
  }
  house.access.tokens.clear();
  CHECK(house.ask(bearing(secret + "reader")).status == 401);  // taken away: at once
}

TEST_CASE("over the unix socket the kernel says who it is, whatever is in the headers") {
  House house;
  auto headers = bearing("nonsense");
  const auto response = house.door.answer({"GET", "/v1/x", "", {.uid = 0, .pid = 1, .user = "root"}, headers});
  CHECK(response.text == "root admin ");
  headers.host = "evil.example";
  CHECK(house.door.answer({"GET", "/v1/x", "", {.uid = 0, .pid = 1, .user = "root"}, headers}).status == 403);
}

TEST_CASE("a header that decides anything, twice, is refused: proxies and we could read different ones") {
  House house;
  CHECK(house.ask({.authorization = "Bearer " + secret + "reader", .is_repeated = true}).status == 400);
}

TEST_CASE("wrong tokens run out for an address, or an IPv6 /64, come back with time, and leave right ones alone") {
  House house;
  const auto wrong = bearing(std::string(40, 'x'));
  for (int i = 0; i < 10; ++i) CHECK(house.ask(wrong, "2001:db8::" + std::to_string(i + 1)).status == 401);
  const auto response = house.ask(wrong, "2001:db8::ffff");
  CHECK(response.status == 429);
  CHECK(response.headers == std::vector<std::pair<std::string, std::string>>{{"Retry-After", "6"}});
  CHECK(house.said.size() == 10);  // what is refused unseen is not logged either
  CHECK(house.said.front() == "a wrong token from 2001:db8::1");
  CHECK(house.ask(wrong, "2001:db8:0:1::1").status == 401);
  CHECK(house.ask(bearing(secret + "reader"), "2001:db8::1").text == "reader read ");
  house.now += 6s;
  CHECK(house.ask(wrong, "2001:db8::1").status == 401);
  CHECK(house.ask(wrong, "2001:db8::1").status == 429);
}

TEST_CASE("each token has a rate of its own, from wherever it comes") {
  House house;
  int let_in = 0;
  for (int i = 0; i < 600; ++i) let_in += house.ask(bearing(secret + "reader"), "192.0.2." + std::to_string(i % 250)).status == 200 ? 1 : 0;
  CHECK(let_in == 500);
  CHECK(house.ask(bearing(secret + "chief")).status == 200);
  house.now += 20ms;
  CHECK(house.ask(bearing(secret + "reader")).status == 200);
  CHECK(house.ask(bearing(secret + "reader")).status == 429);
}

TEST_CASE("a meter of very many callers forgets first those that are full again, then who was seen least lately") {
  Meter meter({quota::Unit::messages, 1, 1h, 1});
  const quota::Timestamp start{1'000'000ms};
  for (std::size_t i = 0; i < Meter::most_callers; ++i) CHECK_FALSE(meter.count(std::to_string(i), start + i * 1ms).has_value());
  const auto later = start + Meter::most_callers * 1ms;
  CHECK_FALSE(meter.count("one more", later).has_value());
  CHECK(meter.count("one more", later).has_value());
  CHECK(meter.count("1", later).has_value());
  CHECK_FALSE(meter.count("0", later).has_value());  // it was forgotten, and now "1" is
  CHECK_FALSE(meter.count("1", later).has_value());
}
