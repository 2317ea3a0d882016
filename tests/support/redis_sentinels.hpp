// RedisSentinels: a master, two replicas and three sentinels that fail over, for one test.
//
// Everything is on 127.0.0.1. The sentinels know each other and the replicas from their configuration, and look around
// more often than real ones do, so that nothing waits for what takes them ten seconds.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/redis_server.hpp"

namespace test {

class RedisSentinels {
 public:
  /// `config` are further lines for the servers that hold data. With `tls`, lines that name their certificate and authority,
  /// all of them speak nothing else by TCP.
  explicit RedisSentinels(std::vector<std::string> config = {}, const std::vector<std::string>& tls = {});

  /// redis+sentinel://… or rediss+sentinel://… with all sentinels, or those of these numbers.
  [[nodiscard]] std::string url(const std::string& name = "mymaster", std::vector<std::size_t> which = {0, 1, 2}) const;

  [[nodiscard]] RedisServer& data(std::size_t number) { return *data_[number]; }  // 0 is the master at first
  [[nodiscard]] RedisServer& sentinel(std::size_t number) { return *sentinels_[number]; }

  /// The number of the server that says of itself that it is a master; the last of them if there are several.
  [[nodiscard]] std::size_t master() const;

  /// Whether the sentinel of this number calls the server of that number the master.
  [[nodiscard]] bool names_master(std::size_t sentinel, std::size_t server) const;

 private:
  const RedisServer::Listen listen_;
  std::vector<std::unique_ptr<RedisServer>> data_;
  std::vector<std::unique_ptr<RedisServer>> sentinels_;
};

}  // namespace test
