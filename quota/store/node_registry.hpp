// NodeRegistry: this daemon's place among those that share the store, kept by a thread of its own.
//
// Every ten seconds, and at once when something changed, it reads the table of nodes, writes its own line, takes away the lines
// of those that are gone, and says what the administrators should know of all of them (quota/nodes.hpp), once per cluster and
// day. Who has been in the table goes on to count while a table that was lost fills again (quota/node_memory.hpp). It also
// hands over what befell the store as seen from here, `degraded` and `recovered`: the store is away when the first begins, so
// both wait until it takes them, with the moments at which they began.
// Known limit: of more than `most_waiting` such events the oldest are dropped.
#pragma once

#include <condition_variable>
#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <thread>

#include "quota/node_memory.hpp"
#include "quota/nodes.hpp"
#include "quota/store/event_writer.hpp"

namespace quota {

/// What the configuration just now says.
struct NodeSetting {
  std::string config{};                      ///< its fingerprint
  std::optional<std::int64_t> fixed_nodes{}; ///< empty: `auto`
};

struct NodeRegistryOptions {
  std::string name{};     ///< of this node
  std::string host{};     ///< who writes the events
  std::string version{};
  std::function<NodeSetting()> setting{};
  std::function<void(std::int64_t nodes)> on_count{};    ///< another number counts from now on; on the thread, and at the start
  std::function<std::vector<NodeAlarm>()> more_alarms{};  ///< besides those about the nodes; on the thread, each heartbeat
  std::optional<std::filesystem::path> count_file{};     ///< keeps the number for a start without a store
  Milliseconds every = heartbeat_every;
  Milliseconds retry_after = std::chrono::seconds{1};    ///< events that wait
};

class NodeRegistry {
 public:
  /// Starts the thread. `ledger` must outlive it.
  NodeRegistry(Ledger& ledger, NodeRegistryOptions options);
  NodeRegistry(const NodeRegistry&) = delete;
  NodeRegistry& operator=(const NodeRegistry&) = delete;
  ~NodeRegistry();

  /// The store has no answer (non-empty) since `at`, or answers again since then. Threads: any; never waits for I/O.
  void note_health(const std::string& error, Timestamp at);

  /// Writes its line anew: the configuration changed. Threads: any; never waits for I/O.
  void changed();

  /// The table as it stands now; where the store has no answer the last that was read, and the error. Threads: any.
  struct Look {
    NodeList list{};
    std::string error{};
  };
  [[nodiscard]] Look look();
  /// The last that was read. Threads: any; never waits for I/O.
  [[nodiscard]] NodeList last() const;

  /// How many share the limits while the store is away. Threads: any.
  [[nodiscard]] std::int64_t count() const;

  /// Says goodbye in the table, and ends the thread. May be called twice.
  void stop();

 private:
  using Steady = std::chrono::steady_clock;
  static constexpr std::size_t most_waiting = 200;

  void run();
  void hand_over();
  [[nodiscard]] Result<void, StoreError> beat(Node::State state);
  [[nodiscard]] Node own_line(const NodeList& before, Node::State state);
  void take_over(NodeList list);
  void raise(const std::vector<NodeAlarm>& alarms);
  void set_count(std::int64_t nodes);
  void say_goodbye();

  // Constant after construction.
  Ledger& ledger_;
  const NodeRegistryOptions options_;

  // Of the thread alone.
  EventWriter events_;
  NodeMemory memory_;
  std::map<std::string, Steady::time_point> raised_;  // claims, and when they were last asked for

  mutable std::mutex mutex_;
  // Guarded by mutex_.
  std::condition_variable woken_;
  std::vector<Event> waiting_;
  NodeList last_;
  Node own_;
  std::optional<Timestamp> bad_since_;
  std::int64_t count_ = 1;
  bool is_due_ = true;
  bool stopping_ = false;

  std::thread thread_;
};

/// The number that `count_file` holds; empty where it holds none.
[[nodiscard]] std::optional<std::int64_t> recall_count(const std::filesystem::path& count_file);

}  // namespace quota
