// Shares: what this daemon gives by itself while a record of the store has no answer, and what it owes the store for it.
//
// A share is the whole bucket in which everything costs `nodes` times as much (holding.hpp), and it begins at the level that the
// store was last seen to hold. Two levels are kept of it: as it is, and as it would be had nothing been sent. Their difference is
// the deficit: what the outage's spending still has in it. That is charged back, never the sum that was sent.
//   deficit = ⌈(used(now) − used(start)) / nodes⌉
// A share judges until its deficit was charged back, so that nobody gets the store's and the share's; and a moment longer, so that
// every daemon has charged back before one of them goes on with what the store has left.
// What all daemons give in an outage of the length T, where `nodes` is right and every one knew the level `used` of the store:
//   at most burst − used + T · rate, or, where that is more, one message of each node: no more than the limit allows.
// Where a daemon did not know it, it takes its part of the bucket for full: over the limit by `used` at most, before and after the
// store has returned. Daemons that return one after the other (`settling` apart or more) add what the last of them still owe.
// Bounded: beyond `most` buckets those that are full again soonest are forgotten, deficits included.
// A restart takes what is owed over (owed(), restore(); kept_shares.hpp), not the levels: a bucket that gave nothing before it
// begins full after it.
// Time: every `now` is of one clock that neither steps back nor jumps, the same for the levels (SpreadStore::steady_now): what a
// share gives is refilled by the time that passes, whatever the store's clocks do.
// Threads: any; judging a message takes the locks of its own buckets' shards only, in one order.
#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <unordered_map>

#include "quota/store/level_memory.hpp"

namespace quota {

class Shares {
 public:
  /// More of them count as so many: debts stay exact.
  static constexpr std::int64_t most_nodes = 500;
  /// How long a share goes on to judge after it was charged back for the first time. Daemons notice within less of each other
  /// that the store is back.
  static constexpr Milliseconds settling{400};

  /// Requires: `levels` outlives this.
  Shares(const LevelMemory& levels, std::size_t most, std::uint64_t seed);

  [[nodiscard]] bool is_empty() const { return count_.load(std::memory_order_relaxed) == 0; }
  [[nodiscard]] std::size_t size() const { return count_.load(std::memory_order_relaxed); }

  /// Whether the share of this bucket is to judge even where the store may answer: it owes something.
  [[nodiscard]] bool judges(const Charge& charge) const;

  class Sitting;
  /// Some buckets under their locks.
  [[nodiscard]] Sitting sit(std::span<const Charge* const> charges);

  /// What is to be charged back: each cost is a deficit.
  struct Debts {
    std::vector<Charge> charges{};
    std::vector<Bucket> starts{};  ///< of each: the level that the store is thought to hold
  };
  /// Up to `most` debts, from where the last call ended, each once. What owes nothing any more is forgotten on the way.
  /// Threads: one at a time, the one that charges back.
  [[nodiscard]] Debts due(std::size_t most, Timestamp now);

  /// `debt`, from due(), was charged back and the store now holds `after`. The share judges for `settling` more; then the rest is
  /// due, and with that the store judges. What was sent while this last charging back was under way is due next.
  void paid(const Charge& debt, const Bucket& after, Timestamp now);
  /// The store had no answer about `debt`: all begins anew.
  void unpaid(const Charge& debt);

  /// A share that owes something, as another process can go on with it.
  struct Owed {
    Identity identity{};
    std::string quota{};
    Limit limit{};
    Bucket start{};  ///< both under `limit`
    Bucket now{};
    std::int64_t nodes = 1;
    bool is_handed_back = false;
  };
  /// Calls `take` with each that owes something at `now`, under no lock.
  void each_owed(Timestamp now, const std::function<void(const Owed&)>& take) const;
  /// Goes on with it; to a share of this bucket that is in use already, what it owes is added. Returns false, and does nothing, where
  /// the numbers could not be counted exactly, or there is no room: twice as much as for new ones.
  bool restore(const Owed& owed, Timestamp now);

 private:
  static constexpr std::size_t shard_count = 64;
  struct Name {
    Identity identity;
    std::string quota;
    Unit unit;
    Milliseconds period;
    std::uint64_t key;
  };
  struct Sought {
    const Charge& charge;
    std::uint64_t key;
  };
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(const Name& name) const noexcept { return name.key; }
    std::size_t operator()(const Sought& sought) const noexcept { return sought.key; }
  };
  struct Equal {
    using is_transparent = void;
    bool operator()(const Name& a, const Name& b) const;
    bool operator()(const Sought& a, const Name& b) const;
    bool operator()(const Name& a, const Sought& b) const { return (*this)(b, a); }
  };
  struct Share {
    Bucket start{};
    Bucket now{};
    std::int64_t nodes = 1;
    std::optional<Timestamp> paid_at{};  // the first time
    bool is_handed_back = false;         // the store judges; the deficit is the rest of what was sent before

    [[nodiscard]] bool is_settling(Timestamp at) const { return paid_at && at >= *paid_at && at - *paid_at < settling; }
  };
  using Map = std::unordered_map<Name, Share, Hash, Equal>;
  struct alignas(64) Shard {
    mutable std::mutex mutex;
    // Guarded by mutex.
    Map shares;
    std::size_t place = 0;  // of the hash table, where due() goes on
  };

  [[nodiscard]] static Limit limit_of(const Name& name, const Share& share);
  [[nodiscard]] static std::int64_t deficit(const Limit& limit, const Share& share);
  [[nodiscard]] Share current(const Charge& charge, const Share* known, std::int64_t nodes, Timestamp now) const;
  [[nodiscard]] const Share* find(const Sought& sought) const;
  void spend(const Charge& charge, std::int64_t nodes, Timestamp now);
  void make_room(Shard& shard, Timestamp now);
  void gather(Shard& shard, std::size_t most, Timestamp now, Debts& into);
  Map::iterator erase(Shard& shard, Map::const_iterator at);

  // Constant after construction.
  const LevelMemory& levels_;
  const std::size_t most_per_shard_;
  const std::uint64_t seed_;

  std::atomic<std::size_t> count_{0};
  std::size_t next_shard_ = 0;  // of due()
  std::array<Shard, shard_count> shards_{};
};

/// The buckets of one message while it is judged: nobody else spends them meanwhile.
class Shares::Sitting {
 public:
  Sitting(Shares& shares, std::uint64_t locked) : shares_(shares), locked_(locked) {}
  Sitting(const Sitting&) = delete;
  Sitting& operator=(const Sitting&) = delete;
  ~Sitting();

  /// Requires for both: `charge` is one of those that sit() was called with.
  [[nodiscard]] Taken look(const Charge& charge, std::int64_t nodes, Timestamp now) const;
  /// Takes the cost, whether it holds or not.
  void spend(const Charge& charge, std::int64_t nodes, Timestamp now) { shares_.spend(charge, nodes, now); }

 private:
  Shares& shares_;
  const std::uint64_t locked_;  // a bit for each shard
};

}  // namespace quota
