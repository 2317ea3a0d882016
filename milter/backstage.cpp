#include "milter/backstage.hpp"

#include "quota/store/random_id.hpp"

namespace milter {
namespace {

constexpr auto once_lasts = std::chrono::hours{1};

}  // namespace

Backstage::Backstage(quota::Ledger& ledger, quota::Blocker& blocker, Counters& counters, std::string host,
                     quota::Milliseconds retry_after, std::function<void(quota::Happening&&)> record)
    : ledger_(ledger),
      blocker_(blocker),
      counters_(counters),
      retry_after_(retry_after),
      record_(std::move(record)),
      events_(ledger, host),
      thread_([this] { run(); }),
      scripts_({ledger, counters, host, [this](quota::Event event) { happened(std::move(event), ""); }, quota::random_id, retry_after}) {}

Backstage::~Backstage() { stop(); }

void Backstage::happened(quota::Event event, std::string once_as) {
  const std::lock_guard lock(mutex_);
  if (!once_as.empty() && was_said(once_as)) return;
  if (queue_.size() >= most_queued) {
    counters_.events_dropped.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  queue_.push_back({std::move(event), std::move(once_as)});
  changed_.notify_one();
}

/// A flood that says the same with every message shall neither fill the queue nor ask the store each time. Requires: mutex_.
bool Backstage::was_said(const std::string& once_as) {
  const auto now = std::chrono::steady_clock::now();
  if (said_.size() >= most_said) std::erase_if(said_, [now](const auto& one) { return one.second <= now; });
  if (said_.size() >= most_said) said_.clear();
  const auto [found, is_new] = said_.try_emplace(once_as, now + once_lasts);
  if (is_new) return false;
  if (now < found->second) return true;
  found->second = now + once_lasts;
  return false;
}

void Backstage::stop() {
  scripts_.stop();
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    changed_.notify_one();
  }
  if (thread_.joinable()) thread_.join();
}

void Backstage::run() {
  std::unique_lock lock(mutex_);
  for (bool all_told = true;;) {
    if (all_told)
      changed_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
    else
      changed_.wait_for(lock, retry_after_, [this] { return stopping_; });
    const bool is_last = stopping_;
    all_told = tell_queued(lock);
    if (!is_last) continue;
    counters_.events_dropped.fetch_add(queue_.size() + events_.kept(), std::memory_order_relaxed);
    queue_.clear();
    return;
  }
}

/// Returns whether the store took everything. Requires: `lock` holds; it is open while the store is asked.
bool Backstage::tell_queued(std::unique_lock<std::mutex>& lock) {
  while (!queue_.empty()) {
    auto next = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    const bool is_told = events_.flush() && tell(next);
    lock.lock();
    if (is_told) continue;
    queue_.push_front(std::move(next));
    return false;
  }
  lock.unlock();
  const bool is_done = events_.flush();
  lock.lock();
  return is_done;
}

/// Returns whether that is done with. Without an answer it may have been said here already: once too often rather than not at all.
bool Backstage::tell(Queued& next) {
  if (!next.once_as.empty()) {
    const auto claimed = ledger_.claim(next.once_as, once_lasts);
    if (!claimed && claimed.error().executed == quota::Executed::no && is_away(claimed.error())) return false;
    if (claimed && !*claimed) return true;
  }
  events_.write(std::move(next.event));
  return true;
}

}  // namespace milter
