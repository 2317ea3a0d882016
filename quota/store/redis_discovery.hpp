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

/// The discovery that `address` calls for. `resolver` outlives it.
[[nodiscard]] std::unique_ptr<RedisDiscovery> make_discovery(const RedisAddress& address, Resolver& resolver, const std::string& client_name);

}  // namespace quota
