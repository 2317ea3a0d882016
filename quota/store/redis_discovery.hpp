// RedisDiscovery: finds out which servers hold the store. One kind for each topology.
// Threads: one at a time, which may wait; no message does.
#pragma once

#include <memory>

#include "quota/store/redis_servers.hpp"

namespace quota {

class RedisDiscovery {
 public:
  RedisDiscovery() = default;
  RedisDiscovery(const RedisDiscovery&) = delete;
  RedisDiscovery& operator=(const RedisDiscovery&) = delete;
  virtual ~RedisDiscovery() = default;

  /// Errors: nobody who knows it answered, or nobody knows it. What was found before goes on to be used then.
  [[nodiscard]] virtual Result<RedisLayout, StoreError> find(Deadline deadline) = 0;

  /// How often to look while all is well; empty: once is enough.
  [[nodiscard]] virtual std::optional<std::chrono::milliseconds> interval() const = 0;
};

/// How a discovery reaches a server.
class RedisDialer {
 public:
  /// `resolver` outlives it. No `tls`: plain.
  RedisDialer(Resolver& resolver, std::string client_name, std::shared_ptr<const TlsContext> tls)
      : resolver_(resolver), client_name_(std::move(client_name)), tls_(std::move(tls)) {}

  [[nodiscard]] RedisConnection::Opened open(const RedisServerName& server, const RedisLogin& login, Deadline deadline);
  [[nodiscard]] Resolver& resolver() { return resolver_; }

 private:
  Resolver& resolver_;
  const std::string client_name_;
  const std::shared_ptr<const TlsContext> tls_;
  boost::asio::io_context io_;  // its users may be on any thread
};

/// The discovery that `address` calls for. `dialer` outlives it.
[[nodiscard]] std::unique_ptr<RedisDiscovery> make_discovery(const RedisAddress& address, RedisDialer& dialer);

}  // namespace quota
