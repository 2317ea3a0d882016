#include "quota/store/redis_discovery.hpp"

namespace quota {
namespace {

class OneServer final : public RedisDiscovery {
 public:
  explicit OneServer(RedisServerName server) : server_(std::move(server)) {}
  [[nodiscard]] Result<RedisLayout, StoreError> find(Deadline) override { return RedisLayout{{server_}, {}}; }
  [[nodiscard]] std::optional<std::chrono::milliseconds> interval() const override { return {}; }

 private:
  const RedisServerName server_;
};

}  // namespace

std::unique_ptr<RedisDiscovery> make_discovery(const RedisAddress& address, Resolver&, const std::string&) {
  return std::make_unique<OneServer>(address.seeds.front());
}

}  // namespace quota
