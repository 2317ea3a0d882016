#include "quota/store/blocker.hpp"

#include <algorithm>

#include "quota/upkeep.hpp"

namespace quota {
namespace {

constexpr Milliseconds retry_after_pause{200};
constexpr Milliseconds retry_events_after = std::chrono::seconds{1};
constexpr Milliseconds longest_wait = std::chrono::seconds{1};
constexpr Milliseconds give_up_after = std::chrono::minutes{1};

template <class T>
std::optional<StoreError> failure_of(const Result<T, StoreError>& result) {
  return result ? std::nullopt : std::optional(result.error());
}

}  // namespace

Blocker::Blocker(Ledger& ledger, Keeper& keeper, BlockerOptions options)
    : ledger_(ledger), keeper_(keeper), options_(std::move(options)), events_(ledger, options_.host) {
  keeper_.listen([this](const Tables& tables) { forget_blocked(tables); });
  thread_ = std::thread([this] { run(); });
}

Blocker::~Blocker() { stop(); }

void Blocker::refused(const Identity& identity, const std::string& quota, Milliseconds window) {
  const std::lock_guard lock(mutex_);
  const Key key{identity.text(), quota};
  const auto found = counts_.find(key);
  if (found != counts_.end()) {
    found->second.batch.window = window;
    ++found->second.batch.refusals;
    return;
  }
  if (counts_.size() >= options_.most_pending) {
    ++dropped_;
    return;
  }
  const auto now = Steady::now();
  if (counts_.empty()) {
    flush_at_ = now + options_.flush_every;
    changed_.notify_all();
  }
  counts_.emplace(key, Counted{{identity, quota, window, 1}, now});
}

void Blocker::forget(const Identity& identity) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, longest_wait, [this] { return !is_writing_; });
  const auto text = identity.text();
  std::erase_if(attempts_, [&](const Attempt& attempt) { return attempt.due.identity == identity; });
  std::erase_if(queued_, [&](const Key& key) { return key.first == text; });
  const auto first = counts_.lower_bound(Key{text, ""});
  const auto last = std::find_if(first, counts_.end(), [&](const auto& entry) { return entry.first.first != text; });
  counts_.erase(first, last);
}

/// Nothing is counted while blocked: these were refused before the block was seen.
void Blocker::forget_blocked(const Tables& tables) {
  const auto now = keeper_.now();
  if (!now) return;
  const std::lock_guard lock(mutex_);
  std::erase_if(counts_, [&](const auto& entry) { return tables.find_block(entry.second.batch.identity, *now) != nullptr; });
}

void Blocker::due(const BlockDue& due) {
  const std::lock_guard lock(mutex_);
  const Key key{due.identity.text(), due.quota};
  if (queued_.contains(key)) return;
  if (attempts_.size() >= options_.most_pending) {
    ++dropped_;
    return;
  }
  const auto now = Steady::now();
  queued_.insert(key);
  attempts_.push_back(Attempt{due, now, now});
  changed_.notify_all();
}

std::uint64_t Blocker::dropped() const {
  const std::lock_guard lock(mutex_);
  return dropped_;
}

void Blocker::stop() {
  if (!thread_.joinable()) return;
  keeper_.listen({});
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }
  thread_.join();
}

/// When there is something to do. Requires: mutex_ is held.
std::optional<Blocker::Steady::time_point> Blocker::next_moment() const {
  std::optional<Steady::time_point> next;
  if (!counts_.empty()) next = flush_at_;
  if (events_.kept() > 0) next = std::min(next.value_or(retry_events_at_), retry_events_at_);
  for (const auto& attempt : attempts_) next = std::min(next.value_or(attempt.not_before), attempt.not_before);
  return next;
}

void Blocker::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    const auto next = next_moment();
    const bool is_last = stopping_;
    if (!is_last && !next)
      changed_.wait(lock);
    else if (!is_last && Steady::now() < *next)
      changed_.wait_until(lock, *next);
    else {
      const bool flush_now = is_last || (!counts_.empty() && Steady::now() >= flush_at_);
      is_writing_ = true;
      lock.unlock();
      if (flush_now) flush_counts();
      make_blocks();
      flush_events();
      lock.lock();
      is_writing_ = false;
      changed_.notify_all();
      if (!is_last) continue;
      dropped_ += events_.kept();
      return;
    }
  }
}

void Blocker::flush_events() {
  if (!events_.flush()) retry_events_at_ = Steady::now() + retry_events_after;
}

std::vector<Blocker::Counted> Blocker::take_counts() {
  std::vector<Counted> all;
  const std::lock_guard lock(mutex_);
  all.reserve(counts_.size());
  for (auto& [key, counted] : counts_) all.push_back(std::move(counted));
  counts_.clear();
  return all;
}

void Blocker::flush_counts() {
  forget_blocked(*keeper_.tables());
  send_counts(take_counts());
}

void Blocker::send_counts(std::vector<Counted> all) {
  if (all.empty()) return;
  std::vector<RefusalBatch> batches;
  batches.reserve(all.size());
  for (const auto& one : all) batches.push_back(one.batch);
  const auto counts = ledger_.count_refusals(batches);
  const auto failed = std::find_if(counts.begin(), counts.end(), [](const auto& count) { return !count; });
  note(failed == counts.end() ? std::nullopt : failure_of(*failed));
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto& batch = batches[i];
    const auto rule = options_.rule(batch.quota);
    if (!counts[i])
      keep_or_drop(std::move(all[i]), counts[i].error());
    else if (rule && *counts[i] >= rule->refusals)
      due({batch.identity, batch.quota, *counts[i]});
  }
}

/// Only what was surely not counted is tried again, and only where that can help.
void Blocker::keep_or_drop(Counted counted, const StoreError& failure) {
  const bool is_over = Steady::now() - counted.since >= counted.batch.window;
  const bool can_help = failure.executed == Executed::no && failure.kind != StoreErrorKind::misconfigured;
  if (can_help && !is_over) return put_back(std::move(counted));
  drop(counted.batch);
}

void Blocker::drop(const RefusalBatch& batch) {
  const std::lock_guard lock(mutex_);
  dropped_ += static_cast<std::uint64_t>(batch.refusals);
}

void Blocker::put_back(Counted counted) {
  const std::lock_guard lock(mutex_);
  flush_at_ = Steady::now() + std::max(options_.flush_every, retry_after_pause);
  const Key key{counted.batch.identity.text(), counted.batch.quota};
  if (const auto found = counts_.find(key); found != counts_.end()) {
    found->second.batch.refusals += counted.batch.refusals;
    found->second.since = counted.since;
  } else if (counts_.size() < options_.most_pending) {
    counts_.emplace(key, std::move(counted));
  } else {
    dropped_ += static_cast<std::uint64_t>(counted.batch.refusals);
  }
}

std::vector<Blocker::Attempt> Blocker::take_ready() {
  const std::lock_guard lock(mutex_);
  const auto now = Steady::now();
  const auto ready = std::stable_partition(attempts_.begin(), attempts_.end(),
                                           [now](const Attempt& attempt) { return attempt.not_before > now; });
  std::vector<Attempt> taken(std::make_move_iterator(ready), std::make_move_iterator(attempts_.end()));
  attempts_.erase(ready, attempts_.end());
  return taken;
}

void Blocker::make_blocks() {
  for (auto& attempt : take_ready()) {
    const auto outcome = try_block(attempt);
    const auto now = Steady::now();
    const std::lock_guard lock(mutex_);
    if (outcome == Outcome::again && !stopping_ && now - attempt.queued_at < give_up_after) {
      attempt.not_before = now + retry_after_pause;
      attempts_.push_back(std::move(attempt));
    } else {
      if (outcome == Outcome::again) ++dropped_;
      queued_.erase({attempt.due.identity.text(), attempt.due.quota});
    }
  }
}

Blocker::Outcome Blocker::try_block(Attempt& attempt) {
  const auto& due = attempt.due;
  const auto rule = options_.rule(due.quota);
  const auto now = keeper_.now();
  if (!rule) return Outcome::over;
  if (!now) return Outcome::again;
  const auto tables = keeper_.tables();
  if (const auto* holding = tables->find_block(due.identity, *now)) {
    const bool is_ours = !attempt.id.empty() && holding->id == attempt.id;  // a try without an answer was carried out
    if (is_ours) made(due.identity, *holding, mark_of(*holding, rule->forget).ladder);
    return Outcome::over;
  }
  const auto record = ledger_.record(due.identity);
  note(failure_of(record));
  if (!record) return Outcome::again;
  const auto refusals = record->refusals.find(due.quota);
  if (refusals == record->refusals.end() || refusals->second.count < rule->refusals) return Outcome::over;
  return write_block(attempt, next_block(*rule, due, record->ladder, *now));
}

Blocker::Outcome Blocker::write_block(Attempt& attempt, const NextBlock& next) {
  if (attempt.id.empty()) attempt.id = options_.new_id();
  auto block = next.block;
  block.id = attempt.id;
  const auto& identity = attempt.due.identity;
  const auto written = ledger_.replace(Table::blocked, identity.text(), keeper_.ended_text(identity), format(block));
  note(failure_of(written));
  if (written && *written) {
    made(identity, block, next.ladder);
    return Outcome::over;
  }
  // Another daemon was first, or what has ended was taken away just now: the next reading tells.
  keeper_.wake();
  return Outcome::again;
}

void Blocker::made(const Identity& identity, const Block& block, const std::optional<Ladder>& ladder) {
  const BlockMark mark{.id = block.id, .ladder = ladder, .quota = block.quota, .until = block.until};
  (void)ledger_.mark_blocked(identity, mark);  // where it fails, a keeper finds the record unmarked
  events_.write(blocked_event(identity, block));
  keeper_.wake();
}

void Blocker::note(const std::optional<StoreError>& failure) {
  if (failure && !is_failing_ && options_.report) options_.report(failure->text);
  is_failing_ = failure.has_value();
}

}  // namespace quota
