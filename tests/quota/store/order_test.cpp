#include "tests/quota/store/order_contract.hpp"

#include <limits>

#include "quota/store/memory_archive.hpp"
#include "tests/quota/store/redis_archive_fixture.hpp"
#include "tests/support/manual_clock.hpp"

namespace quota::test {
namespace {

class OrdersInMemory {
 public:
  Archive& archive(const HistoryBounds& bounds) {
    if (!archive_) archive_.emplace(clock_, bounds);
    return *archive_;
  }
  void set_now(Timestamp now) { clock_.set(now); }

 private:
  ManualClock clock_{start};
  std::optional<MemoryArchive> archive_{};
};

/// A script that fills the server, run there so that it takes no time.
void fill(const std::string& lua) { CHECK(RedisFixture::server().ask("EVAL \"" + lua + "\" 0").find("ERR") == std::string::npos); }

}  // namespace

ORDER_CONTRACT(OrdersInMemory);
using OrdersOnOneServer = RedisArchiveFixture<RedisFixture>;
ORDER_CONTRACT(OrdersOnOneServer);

TEST_CASE("a store that holds too many orders is read piece by piece, and has few afterwards") {
  OrdersOnOneServer fixture;
  auto& archive = fixture.archive({});
  const auto at = std::to_string(std::chrono::floor<std::chrono::seconds>(start.time_since_epoch()).count());
  fill("for n = 1, 22000 do redis.call('HSET', 'sendquota:orders', 'o' .. n, '" + at + "\tuser:u1@example.com\theld\tdelete\t0\t0\tadmin\t\tmx1') "
       "redis.call('HSET', 'sendquota:order:o' .. n, 'mx1', '" + at + "\tdone\t0\t0\t0\t0\t0\t') end return 0");
  Result<std::vector<OrderStatus>, StoreError> orders = archive.orders();
  for (int n = 0; n < 40 && (!orders || RedisFixture::server().ask("HLEN sendquota:orders").find(":1000") != 0); ++n) orders = archive.orders();
  REQUIRE(orders.has_value());
  CHECK(orders->size() == most_ended_orders);
  CHECK(RedisFixture::server().ask("DBSIZE").substr(1, 4) == "1001");
  CHECK(gave(archive, order_about("new", start + 1s)));
  CHECK(orders_in(archive).back().order.id == "new");
}

TEST_CASE("of what has expired on a shelf a part goes with each that is added, for all else waits meanwhile") {
  OrdersOnOneServer fixture;
  auto& archive = fixture.archive({.queue_ids = 100'000});
  const auto old = std::to_string(std::chrono::floor<std::chrono::seconds>((start - std::chrono::days{100}).time_since_epoch()).count());
  fill("for n = 1, 1200 do redis.call('XADD', 'sendquota:held:{user:u1@example.com}:mx1', '*', 'm', '" + old + "\tA' .. n .. '\t=\t=\t1\t=\t=') end return 0");
  const Shelf shelf{sender(1).text(), "mx1", Fate::held};
  std::vector<std::int64_t> lengths;
  for (int n = 0; n < 4; ++n) {
    auto note = note_of(sender(1), start, Fate::held, 1);
    note.held = {held(start, "B" + std::to_string(n))};
    write(archive, {note});
    lengths.push_back(std::stoll(RedisFixture::server().ask("XLEN sendquota:held:{user:u1@example.com}:mx1").substr(1)));
  }
  CHECK(lengths == std::vector<std::int64_t>{701, 202, 3, 4});
  CHECK(ids_on(archive, shelf) == "B0 B1 B2 B3");
}

TEST_CASE("amounts that nobody can have sent add up to the greatest there is") {
  constexpr auto most = std::numeric_limits<std::int64_t>::max();  // more is no number in JSON
  const auto sums = merged({{{"user:a@b", most}, {"user:c@d", 5}}, {{"user:a@b", most}, {"user:c@d", -9}}, {{"user:a@b", 1}, {"user:c@d", 2}}}, Measure::messages, 5);
  CHECK(sums == std::vector<Ranked>{{"user:a@b", exact_bound - 1}, {"user:c@d", 7}});
}

}  // namespace quota::test
