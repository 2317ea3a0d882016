// Blocker: turns persistence into blocks, and counts the refusals that were answered from memory. A thread of its own writes;
// no message waits for it.
//
// A block is written into the table by compare-and-set, where none holds, and then into the record: of several daemons that
// find it due one makes it, and logs it. The record is asked first whether the count still stands, so that what was due before
// a release or another block does not block again.
// A count that may have reached the store is not sent again, and one that surely did not is sent until it is older than its
// window: honest senders are never blocked for one refusal that was counted many times. What is lost so is in dropped().
// What was refused before a block was seen, or before a release on this host, is forgotten with it: a sender that was let go
// starts anew. Known limit: refusals of the last second that another host has not written yet outlive the release of a sender
// who was not blocked.
// Known limit: what is due while the store has no answer is kept for a minute; refusals after that make it due again.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "quota/block.hpp"
#include "quota/store/event_writer.hpp"
#include "quota/store/keeper.hpp"

namespace quota {

struct BlockerOptions {
  std::string host{};
  std::function<std::optional<BlockRule>(const std::string& quota)> rule{};  ///< by the configuration just now
  std::function<std::string()> new_id{};
  std::function<void(const std::string& what)> report{};                     ///< once when writing begins to fail; any thread of ours
  Milliseconds flush_every{1000};
  std::size_t most_pending = 10'000;                                         ///< identities and quotas, each
};

class Blocker {
 public:
  /// Starts the thread. Ledger and keeper must outlive the blocker.
  Blocker(Ledger& ledger, Keeper& keeper, BlockerOptions options);
  Blocker(const Blocker&) = delete;
  Blocker& operator=(const Blocker&) = delete;
  ~Blocker();

  /// Counts one refusal of an identity's quota that no store has counted. Threads: any; never waits for I/O.
  void refused(const Identity& identity, const std::string& quota, Milliseconds window);

  /// Drops what refused() and due() have told of an identity, and returns when none of it is on its way to the store any more. To be
  /// called before its release, and after it for what came between. Threads: any; waits for what is being written just now, a
  /// second at most.
  void forget(const Identity& identity);

  /// Sees to it that the identity is blocked. Threads: any; never waits for I/O.
  void due(const BlockDue& due);

  /// What found no room, or may have been lost on the way to the store.
  [[nodiscard]] std::uint64_t dropped() const;

  /// Writes what is counted once more and ends the thread. May be called twice.
  void stop();

 private:
  using Steady = std::chrono::steady_clock;
  using Key = std::pair<std::string, std::string>;  // identity, quota

  struct Attempt {
    BlockDue due;
    Steady::time_point queued_at;
    Steady::time_point not_before;
    std::string id{};  // one for all tries: a try without an answer may have been carried out
  };
  enum class Outcome : std::uint8_t { over, again };
  /// Refusals that no store has counted yet.
  struct Counted {
    RefusalBatch batch;
    Steady::time_point since;  // the first of them
  };

  void run();
  [[nodiscard]] std::optional<Steady::time_point> next_moment() const;
  [[nodiscard]] std::vector<Counted> take_counts();
  [[nodiscard]] std::vector<Attempt> take_ready();
  void flush_counts();
  void send_counts(std::vector<Counted> all);
  void forget_blocked(const Tables& tables);
  void keep_or_drop(Counted counted, const StoreError& failure);
  void put_back(Counted counted);
  void drop(const RefusalBatch& batch);
  void flush_events();
  void make_blocks();
  [[nodiscard]] Outcome try_block(Attempt& attempt);
  [[nodiscard]] Outcome write_block(Attempt& attempt, const NextBlock& next);
  void made(const Identity& identity, const Block& block, const std::optional<Ladder>& ladder);
  void note(const std::optional<StoreError>& failure);

  // Constant after construction.
  Ledger& ledger_;
  Keeper& keeper_;
  const BlockerOptions options_;

  // Of the blocker's thread alone.
  EventWriter events_;
  bool is_failing_ = false;
  Steady::time_point retry_events_at_{};

  mutable std::mutex mutex_;
  // Guarded by mutex_.
  std::condition_variable changed_;
  std::map<Key, Counted> counts_;
  Steady::time_point flush_at_{};
  bool is_writing_ = false;
  std::deque<Attempt> attempts_;
  std::set<Key> queued_;  // those of attempts_, and those being tried
  std::uint64_t dropped_ = 0;
  bool stopping_ = false;

  std::thread thread_;
};

}  // namespace quota
