// RedisStore: buckets in Redis, shared by every daemon that uses it. One script call per message, or per identity where
// the records lie on several servers (spread_store.hpp).
//
// A bucket is judged by the clock of the server that holds it. `now` is the clock of the one server that holds the table of blocks, known
// here as an offset to the host's monotonic clock: the servers of a Cluster differ by milliseconds or more, and a clock that is
// now the one's and now the other's would not be one.
// Threads: any. Time: every call ends within `timeout`, or the patience of who asks (patience.hpp).
#pragma once

#include <atomic>
#include <limits>

#include "quota/patience.hpp"
#include "quota/store/redis_scripts.hpp"
#include "quota/store/redis_topology.hpp"
#include "quota/store/spread_store.hpp"

namespace quota {

struct RedisStoreOptions {
  std::string prefix = "sendquota";
  Milliseconds timeout{100};
};

/// What store and ledger share: the servers, the names of keys, the clock.
class RedisContext {
 public:
  RedisContext(RedisTopology& topology, RedisStoreOptions options) : topology_(topology), options_(std::move(options)) {}

  [[nodiscard]] RedisTopology& topology() { return topology_; }
  [[nodiscard]] const RedisStoreOptions& options() const { return options_; }
  /// Of a question that is asked now; all of one message (patience.hpp) share one.
  [[nodiscard]] Deadline deadline() const { return Patience::begin() + BriefPatience::of(options_.timeout); }
  [[nodiscard]] std::string record_key(const Identity& identity) const;
  [[nodiscard]] std::string key(std::string_view name) const { return options_.prefix + ":" + std::string(name); }

  /// Before anything was learnt: the host's.
  [[nodiscard]] Timestamp now() const;
  /// The time that passes on this host; an injected clock's, where there is one.
  [[nodiscard]] Timestamp steady_now() const;
  /// By the server that holds the tables.
  void learn(Timestamp server_now);
  /// By whichever server answered: counts until the first learn().
  void guess(Timestamp server_now);

  /// For tests: the time that scripts use instead of the server's clock; empty in production.
  void set_clock(std::optional<Timestamp> now);
  [[nodiscard]] std::string clock_argument() const;

 private:
  RedisTopology& topology_;
  const RedisStoreOptions options_;
  static constexpr std::int64_t unknown = std::numeric_limits<std::int64_t>::min();
  std::atomic<std::int64_t> learnt_ms_{unknown};   ///< server − monotonic
  std::atomic<std::int64_t> guessed_ms_{unknown};  ///< likewise
  std::atomic<std::int64_t> injected_ms_{-1};
};

/// Until all its users ask through a SpreadStore it is a Store as well, for charges that are one question.
class RedisStore final : public SpreadStore, public Store {
 public:
  explicit RedisStore(RedisContext& context) : context_(context) {}

  [[nodiscard]] bool is_one_question(std::span<const Charge> charges) const override;
  [[nodiscard]] Result<Outcome, StoreError> take(std::span<const Charge> charges) override;
  [[nodiscard]] Result<Outcome, StoreError> peek(std::span<const Charge> charges) override;
  [[nodiscard]] Answers look(std::span<const Charge> charges) override;
  [[nodiscard]] Answers commit(std::span<const Charge> charges, std::span<const Charge> refused) override;
  [[nodiscard]] Answers repay(std::span<const Charge> charges) override;
  [[nodiscard]] Result<std::int64_t, StoreError> hold(const Identity& identity, const std::string& host, std::int64_t most) override;
  [[nodiscard]] Timestamp now() const override { return context_.now(); }
  [[nodiscard]] Timestamp steady_now() const override { return context_.steady_now(); }

 private:
  [[nodiscard]] Result<Outcome, StoreError> ask(std::span<const Charge> charges, std::string_view verb);
  [[nodiscard]] Answers ask_each(std::span<const Charge> charges, std::size_t first_refused, std::string_view verb);

  RedisContext& context_;
};

}  // namespace quota
