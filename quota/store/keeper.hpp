// Keeper: the daemon's copy of the live tables, kept true by a thread of its own, which also does what upkeep plans.
//
// It reads when the store says that a table may have changed, when an entry ends, and every `idle_read` to be sure. What was
// read is published before any step is done: a block holds from the moment it is seen. Between two readings lie ten times as
// long as the last one took, at least 50 ms and never so long that a change would be obeyed later than a second after it
// was made: a storm of changes costs about a tenth of the keeper's time, and from some 10,000 entries on a reading a second.
// After a failed reading the old copy stays, with every block in it, and the next follows after 100 ms … 1 s.
// With a file for them (known_blocks.hpp) the blocks of an earlier process hold from the start, before anything was read.
// Invariant: each Ledger has one keeper, which is the only one that waits for its changes.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>

#include "quota/store/known_blocks.hpp"
#include "quota/store/step_runner.hpp"
#include "quota/store/tables_clock.hpp"
#include "quota/tables.hpp"
#include "quota/upkeep.hpp"

namespace quota {

/// What the owner may want to log. Each is told when it begins and when it is over, not each time.
struct KeeperReport {
  enum class What : std::uint8_t {
    tables_unreadable,
    tables_readable,
    steps_failing,
    steps_done,
    blocks_not_kept,  ///< a restart without the store would not know every block
    blocks_kept,
    blocks_file_damaged,
    clock_jumped,     ///< ahead: nothing ends by it yet (tables_clock.hpp)
    clock_believed,   ///< it has stayed there
    clock_came_back,
  };
  What what;
  std::string text;  ///< the store's words, or the system's; of a clock what it says; empty for the good news
};

struct KeeperOptions {
  std::string host{};                                                 ///< who writes the events
  Means means{};
  std::function<void(const KeeperReport&)> report{};                  ///< called on threads of the keeper, and its maker's
  Milliseconds idle_read = std::chrono::seconds{10};
  std::optional<std::filesystem::path> known_blocks{};                ///< empty: a restart knows nothing before it has read
  std::shared_ptr<StateFolder> state_folder{};                        ///< theirs; null: not shared with anybody
  Milliseconds clock_believed_after = std::chrono::minutes{10};       ///< after a jump ahead
};

class Keeper {
 public:
  /// Starts the thread. `ledger` must outlive the keeper.
  Keeper(Ledger& ledger, KeeperOptions options);
  Keeper(const Keeper&) = delete;
  Keeper& operator=(const Keeper&) = delete;
  ~Keeper();

  /// Waits until the tables were read once: `at_most` while no reading failed, for large tables take their time, and
  /// `after_failures` where one did. Returns whether they were.
  [[nodiscard]] bool first_read(Milliseconds after_failures, Milliseconds at_most = std::chrono::seconds{30});

  /// The latest copy; before the first reading the recalled blocks, or nothing. Never null. Threads: any.
  [[nodiscard]] TablesPtr tables() const;

  /// The clock by which blocks and live limits end: the server's that holds them, by the last reading and the time since, unless it has
  /// jumped ahead (tables_clock.hpp); never ahead of it. Empty before the first. Threads: any.
  [[nodiscard]] std::optional<Timestamp> now() const;

  /// The text of a block that has ended and still stands in the table. Threads: any.
  [[nodiscard]] std::optional<std::string> ended_text(const Identity& identity) const;

  /// How many readings are obeyed. Threads: any.
  [[nodiscard]] std::uint64_t readings() const;

  /// Whether the last reading left nothing to do. Threads: any.
  [[nodiscard]] bool is_settled() const;

  /// Calls `listener` on the keeper's thread whenever other tables are obeyed than before; an empty one ends that, and waits
  /// for the call under way. Threads: any but the keeper's.
  void listen(std::function<void(const Tables&)> listener);

  /// Reads again as soon as the pause between two readings allows. Threads: any.
  void wake();

  /// Ends the thread after the call to the store it is in, if any. May be called twice.
  void stop();

 private:
  using Steady = std::chrono::steady_clock;
  using Moment = Steady::time_point;

  void run();
  [[nodiscard]] bool is_stopping() const;
  void rest_until(Moment moment);
  [[nodiscard]] std::optional<TablesText> read();
  void read_clock(TablesText& text, Moment read_at);
  [[nodiscard]] std::vector<Step> take_over(const TablesText& read);
  void publish(TablesPtr tables);
  void tell_listener(const Tables& fresh);
  void note_unread();
  void settle_doubts();
  [[nodiscard]] bool carry_out(std::vector<Step> steps, Moment deadline);
  void postpone(Step step);
  void note_failure(const Step& step, const StoreError& error);
  void note_marked(const Mark& step);
  void wait();
  void tell(KeeperReport::What what, std::string text);
  void recall();
  void keep_blocks();

  // Constant after construction.
  Ledger& ledger_;
  const KeeperOptions options_;

  // Of the keeper's thread alone.
  EventWriter events_;
  StepRunner runner_;
  std::vector<Step> owed_;          // releases and announcements: no later reading would lead to them again
  std::vector<Change> in_doubt_;    // changes that may have been carried out
  std::optional<Timestamp> wake_at_;
  Milliseconds pause_after_failure_;
  bool can_read_ = true;
  bool steps_fail_ = false;
  bool failed_this_round_ = false;

  mutable std::mutex mutex_;
  // Guarded by mutex_.
  std::condition_variable changed_;
  TablesPtr tables_;
  std::uint64_t readings_ = 0;
  TablesClock clock_;
  bool has_failed_ = false;  // a reading, at any time
  bool stopping_ = false;
  bool finished_ = false;

  mutable std::mutex known_mutex_;  // never taken by a message: planning holds it
  Known known_;                     // guarded by known_mutex_

  std::mutex listener_mutex_;
  std::function<void(const Tables&)> listener_;  // guarded by listener_mutex_

  std::unique_ptr<StateFile> kept_;  // null without a file
  std::thread thread_;
};

}  // namespace quota
