// RefusalMemory: who was refused a moment ago, so that an attack costs the store nothing on the way of its messages, and uploads
// nothing.
//
// What it says is certain for `certain_for` at most, so a release or a raised limit is obeyed within that time. RefusalWatch asks
// the store again in the meantime about those that go on sending. Where it does not come to that, a sender is only suspected until
// the promised time to retry: the store is asked before anything is uploaded, by one session. The others of the sender, of which
// an attack has many, go by what was known until that one has its answer, `asked_for` at most.
// Bounded: a full shard forgets at random, which costs one question and no correctness.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "quota/policy.hpp"

namespace milter {

class RefusalMemory {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::milliseconds certain_for{900};
  static constexpr std::chrono::milliseconds asked_for{100};
  static constexpr std::chrono::milliseconds asked_again_after{600};  ///< while it goes on sending
  static constexpr std::chrono::seconds goes_on_for{30};              ///< after its last message

  enum class Standing : std::uint8_t { unknown, suspected, certain };
  struct Answer {
    Standing standing = Standing::unknown;
    std::optional<quota::Failure> failure{};  ///< present when certain
  };

  /// Remembers a refusal that not even the smallest message escapes; others are not remembered. `sender`: whose message it was.
  void remember(const quota::Failure& failure, const quota::Sender& sender, Clock::time_point at);
  /// Whoever is told `suspected` asks the store, and then remembers or forgets.
  [[nodiscard]] Answer find(const quota::Identity& identity, quota::Timestamp now, Clock::time_point at);
  void forget(const quota::Identity& identity);

  struct Due {
    quota::Identity identity;
    quota::Sender sender;
  };
  /// Who goes on sending and should be asked about again, `most` of them.
  [[nodiscard]] std::vector<Due> due(Clock::time_point at, std::size_t most);
  /// What was asked at `at` says the same again. Nothing where it was forgotten meanwhile, or is about somebody else.
  void confirm(const quota::Failure& failure, Clock::time_point at);

  void forget_all();

 private:
  static constexpr std::size_t shard_count = 16;
  static constexpr std::size_t most_per_shard = 4096;
  struct Entry {
    quota::Failure failure;
    quota::Sender sender;
    Clock::time_point learned;
    Clock::time_point last_seen;
  };
  struct Shard {
    using Entries = std::unordered_map<std::string, Entry>;
    mutable std::mutex mutex;
    Entries entries;  // guarded by mutex
  };
  [[nodiscard]] Shard& shard_of(const std::string& key);
  [[nodiscard]] static bool is_kept(const quota::Failure& failure);
  /// Requires: the shard's mutex.
  void erase(Shard& shard, Shard::Entries::iterator entry);

  std::array<Shard, shard_count> shards_;
  std::atomic<std::size_t> size_{0};  // as long as nobody is over a limit, nobody is looked for
};

}  // namespace milter
