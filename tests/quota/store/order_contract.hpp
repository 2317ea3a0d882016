// The part of every Archive's contract that is about many orders, and about several who say something of one at once. A test says
// ORDER_CONTRACT(ItsFixture), which is one for ARCHIVE_CONTRACT (archive_contract.hpp).
#pragma once

#include <thread>

#include "tests/quota/store/shelf_contract.hpp"

namespace quota::test {

inline QueueOrder order_about(const std::string& id, Timestamp at, std::vector<std::string> hosts = {"mx1"}) {
  return {.id = id, .identity = "user:u1@example.com", .at = at, .hosts = std::move(hosts)};
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
  TEST_CASE_TEMPLATE_INVOKE(archive_many_ended, Fixture); \
  TEST_CASE_TEMPLATE_INVOKE(archive_many_hosts, Fixture)

}  // namespace quota::test
