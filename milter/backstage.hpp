// Backstage: what verdicts lead to, done by background threads: blocks, counts of refusals, events. Bounded; what finds no room
// is dropped and counted, never waited for. Events stay in their order, and wait while the store does not take them: the first
// of them is tried again each `retry_after`.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <unordered_map>

#include "milter/counters.hpp"
#include "milter/script_watch.hpp"
#include "milter/session.hpp"
#include "milter/uncovered_watch.hpp"
#include "quota/store/blocker.hpp"

namespace milter {

class Backstage final : public Aftermath {
 public:
  /// All outlive the backstage.
  Backstage(quota::Ledger& ledger, quota::Blocker& blocker, Counters& counters, std::string host,
            quota::Milliseconds retry_after = std::chrono::seconds{1}, std::function<void(quota::Happening&&)> record = {});
  ~Backstage() override;

  void block_due(const quota::BlockDue& due) override { blocker_.due(due); }
  void refused(const quota::Identity& identity, const std::string& quota, quota::Milliseconds window) override {
    blocker_.refused(identity, quota, window);
  }
  void judged(quota::Happening&& happening) override {
    if (record_) record_(std::move(happening));
  }
  void script_seen(const quota::Identity& uid, const std::string& script, std::size_t most) override { scripts_.seen(uid, script, most); }
  void uncovered(const quota::Sender& sender, const std::string& host, const UncoveredRule& rule, quota::Timestamp now) override {
    if (auto event = uncovered_.seen(sender, host, rule, now)) happened(std::move(*event), "many_uncovered");
  }
  void happened(quota::Event event, std::string once_as) override;

  /// Tries once more to write what is queued and ends the thread. May be called twice.
  void stop();

 private:
  static constexpr std::size_t most_queued = 1000;
  static constexpr std::size_t most_said = 10'000;
  struct Queued {
    quota::Event event;
    std::string once_as;
  };

  void run();
  [[nodiscard]] bool tell_queued(std::unique_lock<std::mutex>& lock);
  [[nodiscard]] bool tell(Queued& next);
  [[nodiscard]] bool was_said(const std::string& once_as);

  quota::Ledger& ledger_;
  quota::Blocker& blocker_;
  Counters& counters_;
  const quota::Milliseconds retry_after_;
  const std::function<void(quota::Happening&&)> record_;
  quota::EventWriter events_;  // of the thread alone

  std::mutex mutex_;
  // Guarded by mutex_.
  std::condition_variable changed_;
  std::deque<Queued> queue_;
  std::unordered_map<std::string, std::chrono::steady_clock::time_point> said_;  // until when nobody need be asked about it
  bool stopping_ = false;

  std::thread thread_;
  UncoveredWatch uncovered_;
  ScriptWatch scripts_;  // the last, for it tells what happened
};

}  // namespace milter
