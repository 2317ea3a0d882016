// LocalHolds: held messages that are counted on this node only, while the store does not count them. So the hold queue has a
// bottom then too. Bounded: a part that is full forgets at random, which holds more and loses nothing.
// Threads: any.
#pragma once

#include <array>
#include <atomic>
#include <mutex>
#include <string>
#include <unordered_map>

#include "quota/identity.hpp"

namespace quota {

class LocalHolds {
 public:
  /// As Store::hold.
  [[nodiscard]] std::int64_t count(const Identity& identity, const std::string& host, std::int64_t most);

  /// The store counts again.
  void forget(const Identity& identity, const std::string& host);

 private:
  static constexpr std::size_t shard_count = 16;
  static constexpr std::size_t most_per_shard = 4096;
  struct Shard {
    std::mutex mutex;
    std::unordered_map<std::string, std::int64_t> counts;  // guarded by mutex
  };
  [[nodiscard]] Shard& shard_of(const std::string& name) { return shards_[std::hash<std::string>{}(name) % shard_count]; }

  std::atomic<std::size_t> size_{0};
  std::array<Shard, shard_count> shards_{};
};

}  // namespace quota
