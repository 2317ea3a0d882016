// RedisTopology: one store, whether it is one Redis server, a master that sentinels know, or a Cluster. Only what stands
// below it knows which.
//
// Questions go to the server that holds their key by the last that is known, and follow what the servers say about where
// to ask (redis_errand.hpp). A server that failed is asked nothing (redis_pool.hpp) until this found it well: one thread
// looks at each such server, and asks who holds what, at once and then every `look_every` and a part more at random, so
// that the daemons of a cluster do not come all at once. It looks by a real write: a server that answers but cannot write
// is not well. So no message ever tries, resolves or discovers anything, and a store that answers again is used again
// within `look_every`, its jitter and one answer.
// Known limit: questions that come before the first look has ended fail at once; a program waits for it at its start.
// Threads: any, at once.
#pragma once

#include <atomic>
#include <condition_variable>
#include <list>
#include <map>
#include <random>
#include <thread>

#include "quota/store/redis_discovery.hpp"
#include "quota/store/redis_errand.hpp"
#include "quota/store/redis_watch.hpp"

namespace quota {

struct RedisTopologyOptions {
  std::string prefix = "sendquota";               ///< keys that looking writes begin with it
  std::chrono::milliseconds timeout{100};         ///< what a server must answer within
  std::chrono::milliseconds look_every{250};
  std::chrono::milliseconds brief_every = std::chrono::minutes{1};
  std::string client_name = "sendquota";
  std::shared_ptr<const TlsContext> tls{};        ///< for every server and sentinel; none: plain
  /// Told once when some server has no answer, with its name and words, and once, with an empty text, when all answer again.
  /// A failure that the first look cures is told once a `brief_every`: a store that falters often must not fill the history.
  /// Runs on the topology's thread, which looks at nothing meanwhile.
  std::function<void(const std::string& error)> report = [](const std::string&) {};
  /// Told each change of the servers: masters that change, those who know them and do not answer, and of a Cluster each server
  /// that fails, where `report` names one of them. Runs where `report` does, and before it.
  RedisWatch::Tell tell = [](const RedisNews&) {};
};

class RedisTopology {
 public:
  /// Starts the thread. `resolver` must outlive the topology.
  RedisTopology(const RedisAddress& address, Resolver& resolver, RedisTopologyOptions options = {});
  RedisTopology(const RedisTopology&) = delete;
  RedisTopology& operator=(const RedisTopology&) = delete;
  ~RedisTopology();

  /// For a program's start, where waiting is allowed: until all servers were found and looked at once. Returns whether all
  /// are well.
  bool wait_for_first_look(Deadline deadline);

  /// Sends `words` to the server that holds `key`.
  [[nodiscard]] Result<RedisReply, StoreError> ask(std::string_view key, const Command& words, Deadline deadline,
                                                   const ReplyLimits& limits = {});

  /// Each question to the server that holds its key, all of them in one round trip, each answered for itself.
  [[nodiscard]] std::vector<Result<RedisReply, StoreError>> ask_each(std::span<const RedisQuestion> questions, Deadline deadline,
                                                                     const ReplyLimits& limits = {});

  /// Requires: is_one_question(keys), at least one key.
  [[nodiscard]] Result<RedisReply, StoreError> eval(const RedisScript& script, std::span<const std::string_view> keys,
                                                    std::span<const std::string_view> arguments, Deadline deadline);

  /// A script's run on one key.
  struct Run {
    std::string_view key;
    Command arguments;
  };
  /// All of them in one round trip, each answered for itself.
  [[nodiscard]] std::vector<Result<RedisReply, StoreError>> eval_each(const RedisScript& script, std::span<const Run> runs, Deadline deadline);

  /// Whether one server executes a question about all of these keys as one. On a Cluster only one key is (two keys of one
  /// slot answer TRYAGAIN for as long as the slot migrates).
  [[nodiscard]] bool is_one_question(std::size_t keys) const { return keys <= 1 || address_.topology != RedisAddress::Topology::cluster; }

  /// Which server holds a key: equal for the same, never equal after it was forgotten.
  using Place = std::shared_ptr<RedisPool>;
  [[nodiscard]] Result<Place, StoreError> place_of(std::string_view key) const { return servers_.holder_of(key); }

  /// Obeys a redirection that `said_by` gave on a connection apart from these questions. Empty where it is none.
  struct Way {
    Place place;
    bool asks;  ///< in the midst of a migration: each question there begins with ASKING
  };
  [[nodiscard]] std::optional<Way> redirected(const ServerError& error, const Place& said_by);

  /// Why some server has no answer; empty where all have.
  [[nodiscard]] std::optional<StoreError> failure() const { return servers_.failure(); }

  /// Every server that holds a part of the store, or was named as one that does. Never waits.
  [[nodiscard]] std::vector<RedisServerName> servers() const;

  /// `stem`, or what completes it, so that a question about it goes to each server that holds a part of the store. Never waits.
  [[nodiscard]] std::vector<std::string> key_on_each_server(const std::string& stem) const;

  /// What was known of who holds what has turned out wrong.
  void look_soon();

 private:
  using Moment = std::chrono::steady_clock::time_point;
  using Pool = RedisServers::Pool;

  /// One server being looked at, by a thread of its own: one that hangs holds up no other.
  struct Look {
    explicit Look(Pool of) : pool(std::move(of)) {}
    const Pool pool;
    std::thread thread{};
    std::atomic<bool> has_ended{false};
  };

  [[nodiscard]] Pool make(const RedisServerName& server, RedisPool::Standing standing);
  void run();
  void wake();
  [[nodiscard]] bool rest();
  [[nodiscard]] Moment discovery_due() const;
  [[nodiscard]] Moment next_due() const;
  void discover();
  void look_at_doubtful();
  void end_looks();
  void look_at(Look& look);
  [[nodiscard]] Result<void, StoreError> examine(RedisConnection& connection, const Pool& pool, Deadline deadline) const;
  [[nodiscard]] Result<void, StoreError> check_mode(RedisConnection& connection, const Pool& pool, Deadline deadline) const;
  void report(const std::optional<StoreError>& before_looking);
  [[nodiscard]] std::vector<RedisWatch::Health> health_of_servers() const;
  [[nodiscard]] std::chrono::milliseconds pause();

  // Constant after construction.
  const RedisAddress address_;
  Resolver& resolver_;
  const RedisTopologyOptions options_;
  const std::function<void()> look_soon_;
  RedisServers servers_;

  // Of the thread alone.
  RedisDialer dialer_;
  RedisWatch watch_;
  std::unique_ptr<RedisDiscovery> discovery_;
  Moment next_discovery_{};
  Moment last_discovery_{};
  bool has_found_ = false;
  std::map<const RedisPool*, Moment> next_look_;
  std::list<Look> looks_;  // under way
  std::set<const RedisPool*> looked_at_;  // at least once
  bool has_reported_failure_ = false;
  Moment next_brief_{};
  std::minstd_rand random_{std::random_device{}()};

  std::atomic<bool> map_is_old_{false};
  mutable std::mutex mutex_;
  // Guarded by mutex_.
  std::condition_variable changed_;
  bool is_woken_ = false;
  bool is_stopping_ = false;
  bool has_looked_ = false;

  std::thread thread_;
};

}  // namespace quota
