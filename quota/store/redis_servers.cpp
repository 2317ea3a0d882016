#include "quota/store/redis_servers.hpp"

#include <algorithm>

namespace quota {
namespace {

/// Layouts are asked for at most a few times a second, so that this is some seconds.
constexpr int kept_for_layouts = 8;

StoreError nobody_holds(std::size_t slot) {
  return {StoreErrorKind::refused, Executed::no, "no server of the cluster holds slot " + std::to_string(slot)};
}

}  // namespace

RedisServers::Pool RedisServers::known(const RedisServerName& server) {
  for (const auto& pool : found_)
    if (pool->server() == server) return pool;
  for (auto& redirected : redirected_)
    if (redirected.pool->server() == server) {
      redirected.layouts_since_use = 0;
      return redirected.pool;
    }
  return {};
}

void RedisServers::follow(const RedisLayout& layout) {
  std::vector<Pool> forgotten;  // may be the last to hold connections, which are closed without the lock
  const std::lock_guard lock(mutex_);
  std::vector<Pool> found;
  for (const auto& server : layout.servers) {
    auto pool = known(server);
    found.push_back(pool ? pool : make_(server, RedisPool::Standing::unproven));
  }
  for (auto& redirected : redirected_) ++redirected.layouts_since_use;
  std::erase_if(redirected_, [&](const Redirected& one) {
    const bool is_found = std::find(found.begin(), found.end(), one.pool) != found.end();
    if (!is_found && one.layouts_since_use > kept_for_layouts) forgotten.push_back(one.pool);
    return is_found || one.layouts_since_use > kept_for_layouts;
  });
  std::vector<Pool> slots(layout.slots.empty() ? 0 : slot_count);
  for (const auto& range : layout.slots)
    std::fill(slots.begin() + range.first, slots.begin() + range.last + 1, found[range.server]);
  slots_.swap(slots);
  forgotten.insert(forgotten.end(), found_.begin(), found_.end());
  found_.swap(found);
}

void RedisServers::note_failure(const StoreError& error) {
  const std::lock_guard lock(mutex_);
  failure_ = error;
}

Result<RedisServers::Pool, StoreError> RedisServers::holder_of(std::string_view key) const {
  const std::lock_guard lock(mutex_);
  if (found_.empty()) return failure_;
  if (slots_.empty()) return found_.front();
  const auto slot = slot_of(key);
  if (!slots_[slot]) return nobody_holds(slot);
  return slots_[slot];
}

RedisServers::Pool RedisServers::at(const RedisServerName& server) {
  const std::lock_guard lock(mutex_);
  if (auto pool = known(server)) return pool;
  redirected_.push_back({make_(server, RedisPool::Standing::serving)});
  return redirected_.back().pool;
}

RedisServers::Pool RedisServers::moved(std::uint16_t slot, const RedisServerName& server) {
  auto pool = at(server);
  const std::lock_guard lock(mutex_);
  if (!slots_.empty()) slots_[slot] = pool;
  return pool;
}

std::vector<RedisServers::Pool> RedisServers::found() const {
  const std::lock_guard lock(mutex_);
  return found_;
}

std::vector<RedisServers::Pool> RedisServers::all() const {
  const std::lock_guard lock(mutex_);
  auto pools = found_;
  for (const auto& redirected : redirected_) pools.push_back(redirected.pool);
  return pools;
}

std::optional<StoreError> RedisServers::failure(std::optional<StoreError> (RedisPool::*of)() const) const {
  const std::lock_guard lock(mutex_);
  if (found_.empty()) return failure_;
  for (const auto& pool : found_)
    if (auto failure = (*pool.*of)()) return failure;
  const auto orphan = std::find(slots_.begin(), slots_.end(), nullptr);
  if (orphan != slots_.end()) return nobody_holds(static_cast<std::size_t>(orphan - slots_.begin()));
  return {};
}

std::string RedisServers::key_of(const Pool& pool, const std::string& stem) const {
  const std::lock_guard lock(mutex_);
  if (slots_.empty()) return !found_.empty() && found_.front() == pool ? stem : "";
  if (std::find(slots_.begin(), slots_.end(), pool) == slots_.end()) return {};
  // A server with a share of a thousandth is found after some thousand attempts; the bound is for one with a few slots.
  for (int number = 0; number < 500'000; ++number)
    if (auto key = stem + '{' + std::to_string(number) + '}'; slots_[slot_of(key)] == pool) return key;
  return {};
}

}  // namespace quota
