// Notifier: tells people of incidents by `notify.command`, once each for the whole cluster: the daemon that wrote the event into the
// stream is the one that tells. A thread of its own; no message waits for it.
//
// The program reads one JSON object from its standard input:
//
//   {"event", "severity", "at": time, "identity": text|null, "text", "by", "host",
//    "left_out": n (of the same cause and identity, in the whole cluster, since the last that was told),
//    "limits": [Limit…], "blocked": Block|null, "networks": [text…], "scripts": [text…], "queue_ids": [text…],
//    "recipient_domains": [text…], "recipients"?: [text…] (with notify.addresses), "commands": [text…]}
//
// where Limit and Block are as in milter/admin/api.hpp; the lists are empty where nothing is known.
// Known limit: each daemon tells by itself that the store has no answer, because nobody can be asked who does.
#pragma once

#include <atomic>
#include <boost/json.hpp>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <unordered_map>

#include "milter/config.hpp"
#include "milter/counters.hpp"
#include "quota/store.hpp"

namespace milter {

/// All outlive the notifier.
struct NotifierTools {
  quota::Ledger& ledger;
  Counters& counters;
  std::function<std::shared_ptr<const Config>()> config;
  /// An Identity of the API; empty where it cannot be had. On the notifier's thread.
  std::function<boost::json::object(const std::string& identity)> look_up;
  std::string host;
  std::function<quota::Result<void, std::string>(const std::vector<std::string>& words, const std::string& input, const std::atomic<bool>& is_cancelled)> run;
  quota::Milliseconds settles_within = std::chrono::seconds{1};   ///< until a block is in the tables of all daemons
  quota::Milliseconds degraded_after = std::chrono::seconds{60};  ///< a store that falters is no incident
  quota::Milliseconds hold_after = std::chrono::seconds{60};      ///< who is blocked by then is one incident, not two
  quota::Milliseconds retry_after = std::chrono::minutes{1};      ///< where the program failed; it is run five times at most
};

class Notifier {
 public:
  /// Starts the thread.
  explicit Notifier(NotifierTools tools);
  ~Notifier();
  Notifier(const Notifier&) = delete;
  Notifier& operator=(const Notifier&) = delete;

  /// It was written into the stream, by this daemon. Threads: any; never waits for I/O.
  void happened(const quota::Event& event, quota::Timestamp at);
  /// The store has no answer (non-empty) since `at`, or answers again. Threads: any; never waits for I/O.
  void note_health(const std::string& error, quota::Timestamp at);

  /// Ends the thread; the program that runs has a second to end. What is queued is not told. May be called twice.
  void stop();

 private:
  using Steady = std::chrono::steady_clock;
  static constexpr std::size_t most_queued = 1000;
  static constexpr std::size_t most_remembered = 10'000;
  static constexpr int most_tries = 5;
  struct Incident {
    quota::Event event;
    quota::Timestamp at;
    Steady::time_point due = Steady::time_point::min();
    int tries = 0;               ///< that failed
    std::uint64_t left_out = 0;  ///< before it; known from the first try on
    Steady::time_point noticed = Steady::now();
  };
  struct Told {
    Steady::time_point until;
    std::uint64_t left_out = 0;
  };

  void run();
  void queue(Incident incident);
  void note_degraded();
  [[nodiscard]] bool is_wanted(const std::string& what) const;
  /// That mail is held of who is blocked, which is told.
  [[nodiscard]] bool is_part_of_block(const quota::Event& event) const;
  /// Where it is to be tried again, it as it stands then.
  [[nodiscard]] std::optional<Incident> tell(Incident incident);
  [[nodiscard]] boost::json::object look_up(const quota::Event& event) const;
  /// How many of its kind were left out before it; empty: it is left out itself.
  [[nodiscard]] std::optional<std::uint64_t> left_out_before(const Incident& incident);
  [[nodiscard]] boost::json::object message_about(const Incident& incident, bool with_addresses) const;

  const NotifierTools tools_;
  std::unordered_map<std::string, Told> told_;  // of the thread, by cause and identity

  std::mutex mutex_;
  // Guarded by mutex_.
  std::condition_variable changed_;
  std::deque<Incident> queue_;
  std::optional<Incident> degraded_;     // since the store has no answer
  Steady::time_point degraded_due_{};    // when that is to be told; max: it is queued
  bool was_degraded_for_long_ = false;   // until the recovery is told
  bool stopping_ = false;
  bool has_ended_ = false;
  std::atomic<bool> is_cancelled_{false};

  std::thread thread_;
};

}  // namespace milter
