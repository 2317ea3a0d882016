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

}  // namespace

ORDER_CONTRACT(OrdersInMemory);
using OrdersOnOneServer = RedisArchiveFixture<RedisFixture>;
ORDER_CONTRACT(OrdersOnOneServer);

}  // namespace quota::test
