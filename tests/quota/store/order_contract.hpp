// The part of every Archive's contract that is about many orders, and about several who say something of one at once. A test says
// ORDER_CONTRACT(ItsFixture), which is one for ARCHIVE_CONTRACT (archive_contract.hpp).
#pragma once

#include <thread>

#include "tests/quota/store/shelf_contract.hpp"

namespace quota::test {

inline QueueOrder order_about(const std::string& id, Timestamp at, std::vector<std::string> hosts = {"mx1"}) {
  return {.id = id, .identity = "user:u1@example.com", .at = at, .hosts = std::move(hosts)};
}

inline std::optional<OrderReport> reported(Archive& archive, const std::string& order, const OrderReport& report) {
  const auto kept = archive.report(order, "mx1", report);
  if (!kept) FAIL("not reported: " << kept.error().text);
  return *kept;
}

TEST_CASE_TEMPLATE_DEFINE("a host that has ended an order has ended it, whatever is written after that", Fixture, archive_ended) {
  Fixture fixture;
  auto& archive = fixture.archive({});
  using State = OrderReport::State;
  const OrderReport running{State::running, start, 9, 1}, replaced{State::failed, start, 9, 1, 0, 0, 0, "replaced by the order\to2"}, done{State::done, start + 1s, 9, 9},
      last{State::failed, start + 2s, 9, 6, 1, 2, 3, "no longer wanted", {"A1: x", "A2: \t"}};
  auto kept = last;
  kept.error = replaced.error;
  REQUIRE(gave(archive, order_about("o1", start)));
  CHECK(reported(archive, "o1", running) == running);
  CHECK(reported(archive, "o1", replaced) == replaced);
  CHECK(reported(archive, "o1", running) == std::nullopt);
  CHECK(orders_in(archive)[0].reports.at("mx1") == replaced);
  CHECK(reported(archive, "o1", last) == kept);
  CHECK(orders_in(archive)[0].reports.at("mx1") == kept);
  REQUIRE(gave(archive, order_about("o2", start + 1s)));
  CHECK(reported(archive, "o2", done) == done);
  CHECK(reported(archive, "o2", replaced) == std::nullopt);
  CHECK(orders_in(archive)[1].reports.at("mx1") == done);
  CHECK(reported(archive, "unknown", done) == std::nullopt);
}

TEST_CASE_TEMPLATE_DEFINE("while one says that it is at work another ends it, and it stays ended", Fixture, archive_race) {
  Fixture fixture;
  auto& archive = fixture.archive({});
  for (int n = 0; n < 30; ++n) {
    const auto id = "o" + std::to_string(n);
    REQUIRE(gave(archive, order_about(id, start + n * 1s)));
    std::thread at_work([&archive, &id] {
      for (int i = 0; i < 5; ++i) (void)archive.report(id, "mx1", {OrderReport::State::running, start, 9, i});
    });
    const auto told = archive.report(id, "mx1", {OrderReport::State::failed, start, 9, 0, 0, 0, 0, "replaced"});
    at_work.join();
    REQUIRE(told.has_value());
  }
  for (const auto& status : orders_in(archive)) CHECK(status.reports.at("mx1").state == OrderReport::State::failed);
}

TEST_CASE_TEMPLATE_DEFINE("orders that are over make no room scarce: of them the latest thousand are kept", Fixture, archive_many_ended) {
  Fixture fixture;
  auto& archive = fixture.archive({});
  for (std::size_t n = 0; n < most_ended_orders + 3; ++n) REQUIRE(gave(archive, order_about("o" + std::to_string(n), start + n * 1s, {})));
  REQUIRE(gave(archive, order_about("waits", start)));
  const auto orders = orders_in(archive);
  REQUIRE(orders.size() == most_ended_orders + 1);
  CHECK(orders[0].order.id == "waits");
  CHECK(orders[1].order.id == "o3");
  CHECK(orders.back().order.id == "o1002");
}

TEST_CASE_TEMPLATE_DEFINE("so many hosts are known to be there, those that asked last", Fixture, archive_many_hosts) {
  Fixture fixture;
  auto& archive = fixture.archive({});
  for (std::size_t n = 0; n < Archive::most_hosts_seen + 2; ++n) {
    fixture.set_now(start + n * 1ms);
    REQUIRE(archive.see_host("mx" + std::to_string(n)).has_value());
  }
  const auto seen = archive.hosts_seen();
  REQUIRE(seen.has_value());
  CHECK(seen->size() == Archive::most_hosts_seen);
  CHECK(std::find(seen->begin(), seen->end(), "mx1") == seen->end());
  CHECK(std::find(seen->begin(), seen->end(), "mx1001") != seen->end());
}

#define ORDER_CONTRACT(Fixture)                            \
  TEST_CASE_TEMPLATE_INVOKE(archive_ended, Fixture);       \
  TEST_CASE_TEMPLATE_INVOKE(archive_race, Fixture);        \
  TEST_CASE_TEMPLATE_INVOKE(archive_many_ended, Fixture);  \
  TEST_CASE_TEMPLATE_INVOKE(archive_many_hosts, Fixture)

}  // namespace quota::test
