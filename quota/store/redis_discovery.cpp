#include "quota/store/redis_discovery.hpp"

#include "quota/store/redis_cluster.hpp"
#include "quota/store/redis_sentinel.hpp"

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

std::unique_ptr<RedisDiscovery> make_discovery(const RedisAddress& address, Resolver& resolver, const std::string& client_name) {
  switch (address.topology) {
    case RedisAddress::Topology::sentinel:
      return std::make_unique<SentinelDiscovery>(address, resolver, client_name);
    case RedisAddress::Topology::cluster:
      return std::make_unique<ClusterDiscovery>(address, resolver, client_name);
    case RedisAddress::Topology::single:
      break;
  }
  return std::make_unique<OneServer>(address.seeds.front());
}

}  // namespace quota
