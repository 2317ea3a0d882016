#include "quota/store/level_memory.hpp"

#include <algorithm>
#include <bit>

#include "quota/store/memory_shard.hpp"

namespace quota {
namespace {

constexpr std::size_t window = 8;
constexpr std::size_t first_size = 16;
/// Answers overtake each other by less; a level from further ahead is from before the store's clock stepped back.
constexpr Milliseconds overtaking{1000};

template <class Slots>
auto* slot_at(Slots& slots, std::uint64_t key, std::size_t i) {
  return &slots[((key >> 8U) + i) & (slots.size() - 1)];
}

template <class Slots>
auto* find(Slots& slots, std::uint64_t key) {
  for (std::size_t i = 0; i < window; ++i)
    if (auto* const slot = slot_at(slots, key, i); slot->key == key) return slot;
  return decltype(slot_at(slots, key, 0)){nullptr};
}

/// By the times of their server.
bool is_late(const Bucket& level, const Bucket& known, Timestamp known_answered) {
  if (level.written == known_answered) return level.used < known.used;
  return level.written < known_answered && known_answered - level.written < overtaking;
}

}  // namespace

std::uint64_t bucket_key(const Charge& charge, std::uint64_t seed) {
  auto hash = seeded_hash(charge.identity.value, seed + static_cast<std::uint64_t>(charge.identity.kind));
  hash = seeded_hash(charge.quota, hash + static_cast<std::uint64_t>(charge.limit.unit));
  hash = (hash ^ static_cast<std::uint64_t>(charge.limit.period.count())) * 0x9e3779b97f4a7c15U;
  hash ^= hash >> 29U;
  return hash == 0 ? 1 : hash;
}

LevelMemory::LevelMemory(std::size_t most, std::uint64_t seed)
    : most_per_shard_(std::max(std::bit_floor(most / shard_count), first_size)), seed_(seed) {
  for (auto& shard : shards_) shard.slots.resize(first_size);
}

void LevelMemory::put(Shard& shard, const Slot& slot) const {
  const auto full_at = [](const Slot& one) {
    return one.level.written + full_after({Unit::messages, one.level.amount, one.period, one.level.burst}, one.level);
  };
  for (;;) {
    auto* soonest = slot_at(shard.slots, slot.key, 0);
    for (std::size_t i = 0; i < window; ++i) {
      auto* const one = slot_at(shard.slots, slot.key, i);
      if (one->key == 0 || full_at(*one) <= slot.level.written) {
        *one = slot;
        return;
      }
      if (full_at(*one) < full_at(*soonest)) soonest = one;
    }
    if (shard.slots.size() >= most_per_shard_) {
      *soonest = slot;
      return;
    }
    auto fewer = std::exchange(shard.slots, std::vector<Slot>(shard.slots.size() * 2));
    for (const auto& one : fewer)
      if (one.key != 0) put(shard, one);
  }
}

void LevelMemory::note(const Charge& charge, const Bucket& level, Timestamp at) {
  const auto key = bucket_key(charge, seed_);
  auto& shard = shard_of(key);
  const std::lock_guard lock(shard.mutex);
  Slot fresh{key, charge.limit.period, level, level.written};
  fresh.level.written = at;
  if (auto* const known = find(shard.slots, key)) {
    if (!is_late(level, known->level, known->answered)) *known = fresh;
    return;
  }
  if (level.used > 0 || level.remainder > 0) put(shard, fresh);
}

std::optional<Bucket> LevelMemory::level(const Charge& charge) const {
  const auto key = bucket_key(charge, seed_);
  const auto& shard = shard_of(key);
  const std::lock_guard lock(shard.mutex);
  const auto* const known = find(shard.slots, key);
  if (!known) return std::nullopt;
  return known->level;
}

}  // namespace quota
