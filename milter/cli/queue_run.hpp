// QueueRun: one sender's mail in the queue of this host is sent, removed or kept back: the messages that the record tells of, and no other.
// Each is compared with its record before it is touched (queue_match.hpp); one that was on its way is kept back first and compared once
// more, for only what is on hold stays what it is. One run at a time works on a queue. What is done is taken out of the record page by page, so a run that was interrupted
// goes on where it was.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "milter/cli/daemon.hpp"
#include "milter/cli/queue_match.hpp"
#include "milter/mail_queue/mail_queue.hpp"
#include "quota/queue_order.hpp"

namespace milter::cli {

struct QueueTask {
  std::string identity{};
  std::string host{};
  quota::Fate fate = quota::Fate::held;
  quota::QueueAct act = quota::QueueAct::send;
  bool with_bounces = false;  ///< hold, remove: the notices of that mail as well
  bool at_once = false;   ///< send: not at the sender's own rate
  bool is_dry = false;    ///< only tell what would be done
  std::optional<quota::Timestamp> until{};  ///< mail that was judged later is not meant; by the store's clock
  bool only_held_for_it = false;  ///< not what is listed under it and was held for another identity
};

/// Whether what is being done is still wanted, and now.
enum class GoOn : std::uint8_t { yes, later, no };

struct QueueWorld {
  Daemon& daemon;
  mail_queue::MailQueue& queue;
  std::function<quota::Timestamp()> clock;  ///< of this host
  std::function<GoOn(const quota::OrderReport&)> progress;  ///< before each piece, the first too: the turn may have been long in coming
};

/// How far it came. `report.state` is running, with how long to wait, where the sender's rate allows no more now, where held mail came just
/// now and is not in its place yet, or where the rest is for later; failed where it is no longer wanted.
struct QueueOutcome {
  quota::OrderReport report{};
  quota::Milliseconds retry{0};
};

/// What a run did, after those before it. What is kept back stays recorded, and is counted anew by each.
[[nodiscard]] quota::OrderReport sum_of(const quota::OrderReport& before, quota::OrderReport now, quota::QueueAct act);

class QueueRun {
 public:
  QueueRun(QueueTask task, QueueWorld world) : task_(std::move(task)), world_(std::move(world)) {}

  /// Errors: a sentence; what was done until then is done, and in so_far(). Threads: one at a time.
  [[nodiscard]] quota::Result<QueueOutcome, std::string> run();
  [[nodiscard]] const quota::OrderReport& so_far() const { return report_; }

 private:
  template <typename T>
  using Or = quota::Result<T, std::string>;
  using Rows = std::vector<RecordedMail>;

  struct Page {
    Rows rows{};
    std::string next{};
  };

  [[nodiscard]] Or<boost::json::object> ask(const Call& call);
  [[nodiscard]] Or<std::int64_t> total();
  [[nodiscard]] Or<Page> page(const std::string& identity, const std::string& from);
  [[nodiscard]] Or<void> run_all();
  [[nodiscard]] Or<void> run_page(Rows rows);
  [[nodiscard]] bool goes_on();
  /// Without those that were on the page of the last messages already.
  [[nodiscard]] Or<Rows> fresh(Rows rows);
  /// Those of `rows` that are in the queue and are what was recorded; the others are counted.
  [[nodiscard]] Or<Rows> found(const Rows& rows);
  void look_later(quota::Milliseconds after);
  [[nodiscard]] Or<void> act(const Rows& rows);
  [[nodiscard]] Or<void> let_go(const Rows& rows);
  [[nodiscard]] Or<Rows> kept_back(const Rows& rows);
  [[nodiscard]] Or<void> send_at_own_rate(Rows rows);
  [[nodiscard]] Or<std::size_t> granted(const Rows& rows);
  /// What was sent or removed, and what has left meanwhile, is taken out of the record; what is on hold still is not.
  [[nodiscard]] Or<void> note_all(Rows rows, std::size_t done);
  [[nodiscard]] Or<void> take_away(const Rows& rows, bool let_go = false);
  /// `let_go`: it was sent, and is recorded as what was let through.
  [[nodiscard]] Or<void> take_away_from(const std::string& identity, const std::vector<std::string>& places, const std::map<std::string, std::int64_t>& held_for, bool let_go = false);
  /// From the other identity under which held mail is recorded.
  [[nodiscard]] Or<void> take_siblings_away();
  [[nodiscard]] Or<void> remember_all();
  [[nodiscard]] Or<std::vector<std::string>> meant_notices();
  [[nodiscard]] Or<void> act_on_notices();
  [[nodiscard]] Or<void> remove_notices(std::vector<std::string> kept_back);
  [[nodiscard]] bool is_paced() const { return task_.fate == quota::Fate::held && task_.act == quota::QueueAct::send && !task_.at_once; }
  void note_done(std::size_t count);
  void skip(const RecordedMail& mail, const std::string& why);

  const QueueTask task_;
  const QueueWorld world_;
  std::string default_realm_{};
  quota::OrderReport report_{};
  quota::Milliseconds retry_{0};
  std::map<std::string, std::map<std::string, quota::Timestamp>> siblings_{};  // identity → queue ids that are gone, and when they were judged
  std::map<std::string, RecordedMail> all_{};                // by queue id, for the notices
  std::set<std::string> other_notices_{};                    // queue ids of those that are about other messages
  std::map<std::string, bool> held_now_{};                   // by queue id: what found() saw last
  std::set<std::pair<std::string, quota::Timestamp>> last_{};  // queue ids, and when they were judged, of those among the last messages
};

}  // namespace milter::cli
