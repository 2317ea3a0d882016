#include "quota/store/local_holds.hpp"

namespace quota {
namespace {

std::string name_of(const Identity& identity, const std::string& host) { return identity.text() + " " + host; }

}  // namespace

std::int64_t LocalHolds::count(const Identity& identity, const std::string& host, std::int64_t most) {
  const auto name = name_of(identity, host);
  auto& [mutex, counts] = shard_of(name);
  const std::lock_guard lock(mutex);
  if (!counts.contains(name)) {
    if (counts.size() >= most_per_shard) {
      counts.erase(counts.begin());
      size_.fetch_sub(1, std::memory_order_relaxed);
    }
    size_.fetch_add(1, std::memory_order_relaxed);
  }
  auto& count = counts[name];
  if (count >= most) return most + 1;
  return ++count;
}

void LocalHolds::forget(const Identity& identity, const std::string& host) {
  if (size_.load(std::memory_order_relaxed) == 0) return;
  const auto name = name_of(identity, host);
  auto& [mutex, counts] = shard_of(name);
  const std::lock_guard lock(mutex);
  size_.fetch_sub(counts.erase(name), std::memory_order_relaxed);
}

}  // namespace quota
