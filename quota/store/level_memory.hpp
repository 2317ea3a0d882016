// LevelMemory: how full this daemon last saw each bucket of the store, so that an outage begins where the store left off.
//
// Written with every answer of the store, so it is cheap: one of many locks, eight neighbouring slots, no allocation but where a
// part doubles. Bounded: where there is no room, the bucket that is full again soonest is forgotten. One that is not known counts
// as full, which is what a bucket that was never used is.
// Known limit: a record that was emptied by a release is known by its old level until the next message of its sender.
// Threads: any.
#pragma once

#include <array>
#include <mutex>
#include <vector>

#include "quota/store.hpp"

namespace quota {

/// A name for the bucket that `charge` is about: its identity, quota, unit and period. Never 0.
[[nodiscard]] std::uint64_t bucket_key(const Charge& charge, std::uint64_t seed);

class LevelMemory {
 public:
  /// At most `most` buckets, 64 bytes each.
  LevelMemory(std::size_t most, std::uint64_t seed);

  /// The store holds `level`, by an answer that came at `at` of this daemon's own clock (SpreadStore::steady_now). `level.written`,
  /// its server's time, only tells which of two answers is the later one: one that arrives behind a later one changes nothing.
  void note(const Charge& charge, const Bucket& level, Timestamp at);

  /// As it was noted last, `written` when that was by this daemon's own clock; empty: not known.
  [[nodiscard]] std::optional<Bucket> level(const Charge& charge) const;

 private:
  static constexpr std::size_t shard_count = 64;
  struct Slot {
    std::uint64_t key = 0;  // 0: free
    Milliseconds period{};
    Bucket level{};         // written by this daemon's clock
    Timestamp answered{};   // by its server's
  };
  struct alignas(64) Shard {
    mutable std::mutex mutex;
    std::vector<Slot> slots;  // guarded by mutex
  };

  [[nodiscard]] Shard& shard_of(std::uint64_t key) { return shards_[key % shard_count]; }
  [[nodiscard]] const Shard& shard_of(std::uint64_t key) const { return shards_[key % shard_count]; }
  void put(Shard& shard, const Slot& slot) const;

  // Constant after construction.
  const std::size_t most_per_shard_;
  const std::uint64_t seed_;

  std::array<Shard, shard_count> shards_{};
};

}  // namespace quota
