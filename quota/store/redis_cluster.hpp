// ClusterDiscovery: asks the nodes of a Redis Cluster which master holds which slots.
//
// One node after the other is asked, another one first each time, until one says that the cluster is in order: a node that
// was cut off from the others answers too, with what was true before. Where none says so the first answer counts, since
// some slots may be held all the same. With nobody to ask, what was found before goes on to be used.
#pragma once

#include "quota/store/redis_discovery.hpp"

namespace quota {

class ClusterDiscovery final : public RedisDiscovery {
 public:
  ClusterDiscovery(const RedisAddress& address, RedisDialer& dialer) : address_(address), dialer_(dialer) {}

  [[nodiscard]] Result<RedisLayout, StoreError> find(Deadline deadline) override;
  /// A slot that moved is found by the redirection of its first question; this is for what nobody asked about.
  [[nodiscard]] std::optional<std::chrono::milliseconds> interval() const override { return std::chrono::seconds{10}; }

 private:
  struct Told {
    RedisLayout layout;
    std::vector<RedisServerName> nodes;  ///< replicas as well
    bool is_in_order = true;             ///< as far as the node may be asked
  };

  [[nodiscard]] Result<Told, StoreError> ask(const RedisServerName& node, Deadline deadline);
  [[nodiscard]] std::vector<RedisServerName> candidates();

  // Constant after construction.
  const RedisAddress address_;
  RedisDialer& dialer_;

  std::vector<RedisServerName> nodes_;  ///< of the last answer
  std::size_t turn_ = 0;
};

}  // namespace quota
