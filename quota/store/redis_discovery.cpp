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

RedisConnection::Opened RedisDialer::open(const RedisServerName& server, const RedisLogin& login, Deadline deadline) {
  RedisTarget target{resolver_.addresses(server), login, client_name_, tls_};
  if (const auto* tcp = std::get_if<TcpServer>(&server)) target.tls_name = tcp->host;
  auto opened = RedisConnection::open(io_, target, deadline);
  if (!opened) resolver_.refresh_soon();
  return opened;
}

std::unique_ptr<RedisDiscovery> make_discovery(const RedisAddress& address, RedisDialer& dialer) {
  switch (address.topology) {
    case RedisAddress::Topology::sentinel:
      return std::make_unique<SentinelDiscovery>(address, dialer);
    case RedisAddress::Topology::cluster:
      return std::make_unique<ClusterDiscovery>(address, dialer);
    case RedisAddress::Topology::single:
      break;
  }
  return std::make_unique<OneServer>(address.seeds.front());
}

}  // namespace quota
