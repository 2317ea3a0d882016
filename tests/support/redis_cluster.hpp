// RedisCluster: a Redis Cluster of three masters and three replicas for one test, each third of the slots on one master.
// Everything is on 127.0.0.1; a node that does not answer for a second is taken to be gone. Where none is to be gone, a test
// should say `steady`: on a busy machine a node may well be silent for a second.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/support/redis_server.hpp"

namespace test {

class RedisCluster {
 public:
  enum class Replicas : std::uint8_t { none, one_each };
  static constexpr const char* steady = "cluster-node-timeout 15000";

  /// Returns when every node calls the cluster complete. `config` are further lines for all nodes. With `tls`, lines that name
  /// their certificate and authority, they speak nothing else by TCP, with each other too.
  explicit RedisCluster(Replicas replicas = Replicas::one_each, std::vector<std::string> config = {},
                        const std::vector<std::string>& tls = {});

  /// redis+cluster://… or rediss+cluster://… with the first masters as seeds.
  [[nodiscard]] std::string url(std::size_t seeds = 3) const;

  /// 0 to 2 are the masters at first, 3 to 5 their replicas in the same order.
  [[nodiscard]] RedisServer& node(std::size_t number) { return *nodes_[number]; }
  [[nodiscard]] std::size_t size() const { return nodes_.size(); }
  [[nodiscard]] std::string id(std::size_t number) const { return ids_[number]; }

  /// The first master by whose slots `slot` was given out.
  [[nodiscard]] static std::size_t first_holder(unsigned slot);

  /// Moves a slot with all that is in it, as an administrator does: first importing and migrating, then key by key, at last
  /// told to every master. The steps are apart so that a test can ask questions between them.
  void begin_migration(unsigned slot, std::size_t from, std::size_t to);
  void migrate_keys(unsigned slot, std::size_t from, std::size_t to);
  void end_migration(unsigned slot, std::size_t from, std::size_t to);

  /// Removes all data.
  void clear();

 private:
  const RedisServer::Listen listen_;
  std::vector<std::unique_ptr<RedisServer>> nodes_;
  std::vector<std::string> ids_;
};

}  // namespace test
