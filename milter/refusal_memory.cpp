#include "milter/refusal_memory.hpp"

#include <algorithm>
#include <functional>

namespace milter {
namespace {

/// At MAIL nobody knows of a greater cost.
quota::Failure of_smallest(quota::Failure failure) {
  if (failure.smallest_at) failure.retry_at = failure.smallest_at;
  return failure;
}

}  // namespace

RefusalMemory::Shard& RefusalMemory::shard_of(const std::string& key) { return shards_[std::hash<std::string>{}(key) % shard_count]; }

bool RefusalMemory::is_kept(const quota::Failure& failure) { return failure.is_certain && failure.cause == quota::Cause::over; }

void RefusalMemory::remember(const quota::Failure& failure, const quota::Sender& sender, Clock::time_point at) {
  if (!is_kept(failure)) return;
  const auto key = failure.identity.text();
  auto& shard = shard_of(key);
  const std::lock_guard lock(shard.mutex);
  if (shard.entries.size() >= most_per_shard && !shard.entries.contains(key)) erase(shard, shard.entries.begin());
  if (shard.entries.insert_or_assign(key, Entry{of_smallest(failure), sender, at, at}).second) size_.fetch_add(1, std::memory_order_relaxed);
}

RefusalMemory::Answer RefusalMemory::find(const quota::Identity& identity, quota::Timestamp now, Clock::time_point at) {
  if (size_.load(std::memory_order_relaxed) == 0) return {};
  const auto key = identity.text();
  auto& shard = shard_of(key);
  const std::lock_guard lock(shard.mutex);
  const auto found = shard.entries.find(key);
  if (found == shard.entries.end()) return {};
  if (now >= found->second.failure.retry_at) {
    erase(shard, found);
    return {};
  }
  auto& learned = found->second.learned;
  found->second.last_seen = at;
  if (at - learned >= certain_for) {
    learned = at - certain_for + asked_for;
    return {Standing::suspected, {}};
  }
  return {Standing::certain, found->second.failure};
}

std::vector<RefusalMemory::Due> RefusalMemory::due(Clock::time_point at, std::size_t most) {
  std::vector<Due> all;
  if (size_.load(std::memory_order_relaxed) == 0) return all;
  for (auto& shard : shards_) {
    const std::lock_guard lock(shard.mutex);
    for (const auto& [key, entry] : shard.entries) {
      if (all.size() >= most) return all;
      if (at - entry.learned >= asked_again_after && at - entry.last_seen < goes_on_for) all.push_back({entry.failure.identity, entry.sender});
    }
  }
  return all;
}

void RefusalMemory::confirm(const quota::Failure& failure, Clock::time_point at) {
  if (!is_kept(failure)) return;
  const auto key = failure.identity.text();
  auto& shard = shard_of(key);
  const std::lock_guard lock(shard.mutex);
  const auto found = shard.entries.find(key);
  if (found == shard.entries.end()) return;
  found->second.failure = of_smallest(failure);
  found->second.learned = std::max(found->second.learned, at);
}

void RefusalMemory::forget(const quota::Identity& identity) {
  const auto key = identity.text();
  auto& shard = shard_of(key);
  const std::lock_guard lock(shard.mutex);
  if (const auto found = shard.entries.find(key); found != shard.entries.end()) erase(shard, found);
}

void RefusalMemory::erase(Shard& shard, Shard::Entries::iterator entry) {
  shard.entries.erase(entry);
  size_.fetch_sub(1, std::memory_order_relaxed);
}

void RefusalMemory::forget_all() {
  for (auto& shard : shards_) {
    const std::lock_guard lock(shard.mutex);
    size_.fetch_sub(shard.entries.size(), std::memory_order_relaxed);
    shard.entries.clear();
  }
}

}  // namespace milter
