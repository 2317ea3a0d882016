#include "quota/queue_order.hpp"

#include <doctest/doctest.h>

using namespace quota;
using namespace std::chrono_literals;
using State = OrderReport::State;

TEST_CASE("what becomes of a message has one word") {
  CHECK(name(Fate::sent) == "sent");
  CHECK(name(Fate::held) == "held");
  CHECK(fate_called("held") == Fate::held);
  CHECK_FALSE(fate_called("lost").has_value());
}

TEST_CASE("a host asks for orders by a name of letters, digits and a few more") {
  for (const auto* const good : {"mx1", "mx-1.example.com", "mail_out.example.com", "192.0.2.7", "[2001:db8::1]", "[192.0.2.7]:25"}) CHECK(is_host_name(good));
  for (const auto* const bad : {"", "mx 1", "mx1/x", "mx1\n", "m\xc3\xbcller", "a,b", "mx1?", "*"}) CHECK_FALSE(is_host_name(bad));
  CHECK(is_host_name(std::string(255, 'a')));
  CHECK_FALSE(is_host_name(std::string(256, 'a')));
}

