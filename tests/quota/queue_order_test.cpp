#include "quota/queue_order.hpp"

#include <doctest/doctest.h>

using namespace quota;
using namespace std::chrono_literals;
using State = OrderReport::State;

namespace {

const Timestamp then{1'763'790'000s};

OrderStatus given(const std::string& id, Timestamp at, const std::string& identity = "user:a@b", Fate fate = Fate::held) {
  return {{.id = id, .identity = identity, .fate = fate, .at = at, .hosts = {"mx1", "mx2"}}, {}};
}

OrderStatus ended(const std::string& id, Timestamp at) {
  auto status = given(id, at);
  for (const auto& host : status.order.hosts) status.reports[host] = {.state = State::done, .at = at};
  return status;
}

}  // namespace

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

TEST_CASE("of orders about the same mail one stays, and everybody takes the same") {
  const std::vector orders{given("b", then), given("a", then), given("c", then - 5s), given("z", then + 9s, "user:other@b"), given("y", then + 9s, "user:a@b", Fate::sent)};
  std::vector<std::string> replaced;
  for (const auto& status : orders)
    if (const auto* const by = replacement_of(status.order, orders)) replaced.push_back(status.order.id + " by " + by->id);
  CHECK(replaced == std::vector<std::string>{"a by b", "c by b"});
  const auto report = replaced_report(ended("a", then), "mx1", orders[0].order);
  CHECK(report.state == State::failed);
  CHECK(report.error == "replaced by the order b");
}

TEST_CASE("what has ended on a host stays as it ended, but for the counts of one whose order was replaced") {
  const OrderReport running{State::running, then, 9, 1}, later{State::running, then + 1s, 9, 5}, done{State::done, then, 9, 9}, last{State::failed, then + 2s, 9, 6, 1, 2, 3, "no longer wanted", {"A: x"}},
      replaced{State::failed, then, 9, 1, 0, 0, 0, "replaced by the order b"};
  struct {
    OrderReport known, next;
    std::optional<OrderReport> want;
  } const rows[] = {
      {running, later, later},
      {running, done, done},
      {running, replaced, replaced},
      {done, running, std::nullopt},
      {done, replaced, std::nullopt},
      {replaced, later, std::nullopt},  // it was on its way
      {replaced, last, OrderReport{State::failed, then + 2s, 9, 6, 1, 2, 3, "replaced by the order b", {"A: x"}}},
      {replaced, done, OrderReport{State::failed, then, 9, 9, 0, 0, 0, "replaced by the order b"}},
  };
  for (const auto& row : rows) {
    INFO(format(row.known) << " then " << format(row.next));
    CHECK(merged(row.known, row.next) == row.want);
  }
}

TEST_CASE("of orders that are over the latest thousand are told of for a day, and of others all for a month") {
  std::vector<OrderStatus> orders;
  for (int n = 0; n < 1005; ++n) orders.push_back(ended("e" + std::to_string(n), then + n * 1s));
  orders.push_back(given("waits", then - 1h));
  CHECK(drop_passed(orders, then + 1h) == std::vector<std::string>{"e4", "e3", "e2", "e1", "e0"});
  REQUIRE(orders.size() == 1001);
  CHECK(orders.front().order.id == "waits");
  CHECK(orders.back().order.id == "e1004");
  CHECK(drop_passed(orders, then + 1004s + ended_order_kept_for).size() == 999);  // all but the last
  CHECK(drop_passed(orders, then + order_kept_for).size() == 2);
  CHECK(orders.empty());
}
