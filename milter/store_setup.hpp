// StoreSetup: the store that `store.url` names, with all that it is made of, and what is known of its health.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>

#include "milter/config.hpp"
#include "milter/event_log.hpp"
#include "quota/store/guarded_store.hpp"
#include "quota/nodes.hpp"
#include "quota/store/memory_store.hpp"
#include "quota/store/redis_eviction.hpp"
#include "quota/store/redis_ledger.hpp"

namespace milter {

class StoreSetup {
 public:
  /// What `sendquota status` says of the store.
  struct Health {
    std::string url;                            ///< without a password
    std::optional<quota::Timestamp> bad_since;  ///< empty: it answers
    std::string error;
    std::string tables_error;                   ///< why the live tables cannot be read; empty: they can
    std::map<std::string, std::string> not_kept;  ///< what state_dir should keep for a restart and does not → why
    /// The last time that it had no answer, once that was over.
    struct Outage {
      quota::Timestamp from{};
      quota::Timestamp to{};
      std::string error{};
    };
    std::optional<Outage> last_outage{};
    std::string discovery_error{};                ///< why nobody says which servers hold the store; empty: somebody does
    std::map<std::string, std::string> evicting;  ///< servers that throw data away when they are full → their policy
  };
  /// Told of each change: why the store has no answer (empty: it answers again), and since when. It must not wait.
  using HealthListener = std::function<void(const std::string& error, quota::Timestamp since)>;

  /// Errors: a sentence; the daemon cannot start. A Redis that does not answer yet is no error: `on_failure` decides.
  [[nodiscard]] static quota::Result<std::unique_ptr<StoreSetup>, std::string> open(const Config& config);

  [[nodiscard]] quota::Store& store() { return *store_; }
  /// Logs each event that is written to it.
  [[nodiscard]] quota::Ledger& ledger() { return *ledger_; }
  [[nodiscard]] Health health() const;

  /// The store, or a part of it, has stopped (non-empty) or begun to answer. The one place that logs it. Threads: any.
  void note_health(const std::string& error);

  /// What has changed of the servers of the store. The one place that logs it. Threads: any.
  void note_news(const quota::RedisNews& news);

  /// A server throws data away by this policy when it is full; empty: no longer. The one place that logs it. Threads: any.
  void note_eviction(const std::string& server, const std::string& policy);

  /// What the administrators should be told of the servers, once for all daemons. Threads: any.
  [[nodiscard]] std::vector<quota::NodeAlarm> alarms() const;

  /// The live tables cannot be read (non-empty), or again. Threads: any.
  void note_tables(const std::string& error);

  /// Takes certificates that were renewed into use, for connections made from now on. Errors: a sentence; the old ones stay.
  [[nodiscard]] quota::Result<void, std::string> renew_tls();

  /// How many daemons share the limits while the store has no answer. Threads: any.
  void share_by(std::int64_t nodes);

  /// From now on `listener` is told, at once if the store has no answer just now. It outlives the calls of note_health().
  void listen_to_health(HealthListener listener);
  /// Of each event that this daemon has written.
  void listen_to_events(std::function<void(const quota::Event&)> listener) { ledger_->listen(std::move(listener)); }

  /// `what` ("the known blocks") must outlive the daemon and can be kept in state_dir no longer (non-empty), or again. Threads: any.
  void note_state(const std::string& what, const std::string& error);

  /// Where what must outlive the daemon is kept; null for `memory:`, which keeps it by itself.
  [[nodiscard]] const std::shared_ptr<quota::StateFolder>& state_folder() const { return state_folder_; }

  [[nodiscard]] const quota::Clock& clock() const { return clock_; }

  /// Keeps what must survive the process. What is judged after it is not kept; the store goes on to serve.
  void save();

 private:
  StoreSetup() = default;
  [[nodiscard]] quota::Result<void, std::string> open_memory(const StoreSettings& settings);
  [[nodiscard]] quota::Result<void, std::string> open_redis(const StoreSettings& settings);
  [[nodiscard]] quota::Result<void, std::string> open_tls(const quota::RedisAddress& address, const quota::TlsFiles& files);
  [[nodiscard]] quota::RedisTopologyOptions topology_options(const StoreSettings& settings);
  [[nodiscard]] quota::RedisEvictionOptions eviction_options(const StoreSettings& settings);
  [[nodiscard]] std::string error_of_servers() const;

  quota::SystemClock clock_;

  // Before all that reports to it.
  mutable std::mutex mutex_;
  // Guarded by mutex_.
  std::optional<quota::Timestamp> bad_since_;
  std::string error_;
  std::string tables_error_;
  std::map<std::string, std::string> not_kept_;
  std::optional<Health::Outage> last_outage_;
  std::string discovery_error_;
  std::map<std::string, std::string> failing_;   // servers of a Cluster → why
  std::map<std::string, std::string> evicting_;  // servers → policy
  HealthListener health_listener_;

  std::string url_;
  std::unique_ptr<quota::MemoryStore> memory_;
  std::shared_ptr<quota::StateFolder> state_folder_;
  std::shared_ptr<quota::TlsContext> tls_;  // none: plain
  std::unique_ptr<quota::Resolver> resolver_;
  std::unique_ptr<quota::RedisTopology> topology_;
  std::unique_ptr<quota::RedisEviction> eviction_;
  std::unique_ptr<quota::RedisContext> context_;
  std::unique_ptr<quota::RedisStore> redis_;
  std::unique_ptr<quota::RedisLedger> redis_ledger_;
  std::unique_ptr<quota::GuardedStore> guarded_;
  quota::Store* store_ = nullptr;
  std::unique_ptr<EventLog> ledger_;
};

/// The address in `store.url`, with the passwords that stand in files. Errors: a sentence.
[[nodiscard]] quota::Result<quota::RedisAddress, std::string> store_address(const StoreSettings& settings);

/// What a restart would forget, and why.
[[nodiscard]] std::string about_state(const std::string& what, const std::string& error);

/// Why a failover could not be followed just now.
[[nodiscard]] std::string about_discovery(const std::string& error);

/// What is wrong with a server that evicts by `policy`, and what to type against it.
[[nodiscard]] std::string about_eviction(const std::string& server, const std::string& policy);

}  // namespace milter
