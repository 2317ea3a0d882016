#include "milter/refusal_memory.hpp"

#include <functional>

namespace milter {

RefusalMemory::Shard& RefusalMemory::shard_of(const std::string& key) { return shards_[std::hash<std::string>{}(key) % shard_count]; }

void RefusalMemory::remember(const quota::Failure& failure, Clock::time_point at) {
  if (!failure.is_certain || failure.cause != quota::Cause::over) return;
  const auto key = failure.identity.text();
  auto& shard = shard_of(key);
  const std::lock_guard lock(shard.mutex);
  if (shard.entries.size() >= most_per_shard && !shard.entries.contains(key)) erase(shard, shard.entries.begin());
  auto smallest = failure;
  if (failure.smallest_at) smallest.retry_at = failure.smallest_at;  // at MAIL nobody knows of a greater cost
  if (shard.entries.insert_or_assign(key, Entry{std::move(smallest), at}).second) size_.fetch_add(1, std::memory_order_relaxed);
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
  if (at - learned >= certain_for) {
    learned = at - certain_for + asked_for;
    return {Standing::suspected, {}};
  }
  return {Standing::certain, found->second.failure};
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
