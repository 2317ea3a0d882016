#include "quota/store/shares.hpp"

#include <algorithm>
#include <bit>

namespace quota {
namespace {

constexpr std::size_t eviction_sample = 16;
constexpr std::size_t longest_search = 256;
/// What a bucket may be charged with, in tokens times interval: 500 times the largest burst, and sums of two stay below 2^63.
constexpr std::int64_t most_scaled = std::int64_t{1} << 62U;

Bucket debited(const Limit& limit, const Bucket& bucket, std::int64_t cost, std::int64_t nodes) {
  const auto most = most_scaled / limit.rate().interval - 1;
  const auto price = cost > most / nodes ? most : cost * nodes;
  return spent(bucket, std::min(price, most - std::min(most, bucket.used)));
}

bool is_countable(const Limit& limit, const Bucket& bucket) {
  const auto interval = limit.rate().interval;
  const bool is_of_limit = bucket.amount == limit.amount && bucket.burst == limit.burst;
  return is_of_limit && bucket.remainder >= 0 && bucket.remainder < interval && bucket.used >= 0 && bucket.used < most_scaled / interval;
}

}  // namespace

bool Shares::Equal::operator()(const Name& a, const Name& b) const {
  return a.key == b.key && a.unit == b.unit && a.period == b.period && a.quota == b.quota && a.identity == b.identity;
}

bool Shares::Equal::operator()(const Sought& a, const Name& b) const {
  const auto& limit = a.charge.limit;
  return a.key == b.key && limit.unit == b.unit && limit.period == b.period && a.charge.quota == b.quota &&
         a.charge.identity == b.identity;
}

Shares::Shares(const LevelMemory& levels, std::size_t most, std::uint64_t seed)
    : levels_(levels), most_per_shard_(std::max<std::size_t>(most / shard_count, 1)), seed_(seed) {}

Limit Shares::limit_of(const Name& name, const Share& share) {
  return {name.unit, share.now.amount, name.period, share.now.burst};
}

std::int64_t Shares::deficit(const Limit& limit, const Share& share) {
  const auto interval = limit.rate().interval;
  const auto scaled = (share.now.used - share.start.used) * interval + share.now.remainder - share.start.remainder;
  if (scaled <= 0) return 0;
  const auto unit = interval * share.nodes;
  return std::min(scaled / unit + (scaled % unit > 0 ? 1 : 0), limit.burst);
}

/// The share as it is at `now`, under the charge's limit; one that is not known, or was handed back, begins where the store is.
Shares::Share Shares::current(const Charge& charge, const Share* known, std::int64_t nodes, Timestamp now) const {
  const auto& limit = charge.limit;
  Share share;
  std::int64_t owed = 0;
  if (known) {
    share = {refilled(limit, known->start, now), refilled(limit, known->now, now), known->nodes, known->paid_at, false};
    if (!known->is_handed_back) return share;
    share.paid_at.reset();
    owed = deficit(limit, share);
  }
  share.nodes = std::clamp<std::int64_t>(nodes, 1, most_nodes);
  share.start = refilled(limit, levels_.level(charge), now);
  share.now = debited(limit, share.start, owed, share.nodes);
  return share;
}

const Shares::Share* Shares::find(const Sought& sought) const {
  const auto& shares = shards_[sought.key % shard_count].shares;
  const auto found = shares.find(sought);
  return found == shares.end() ? nullptr : &found->second;
}

bool Shares::judges(const Charge& charge) const {
  const Sought sought{charge, bucket_key(charge, seed_)};
  const std::lock_guard lock(shards_[sought.key % shard_count].mutex);
  const auto* const share = find(sought);
  return share && !share->is_handed_back;
}

Shares::Sitting Shares::sit(std::span<const Charge* const> charges) {
  static_assert(shard_count == 64);
  std::uint64_t wanted = 0;
  for (const auto* const charge : charges) wanted |= std::uint64_t{1} << (bucket_key(*charge, seed_) % shard_count);
  for (auto rest = wanted; rest != 0; rest &= rest - 1) shards_[static_cast<std::size_t>(std::countr_zero(rest))].mutex.lock();
  return {*this, wanted};
}

Shares::Sitting::~Sitting() {
  for (auto rest = locked_; rest != 0; rest &= rest - 1) shares_.shards_[static_cast<std::size_t>(std::countr_zero(rest))].mutex.unlock();
}

Taken Shares::Sitting::look(const Charge& charge, std::int64_t nodes, Timestamp now) const {
  const auto* const known = shares_.find({charge, bucket_key(charge, shares_.seed_)});
  const auto share = shares_.current(charge, known, nodes, now);
  return {share.now, 0, share.nodes};
}

void Shares::spend(const Charge& charge, std::int64_t nodes, Timestamp now) {
  const Sought sought{charge, bucket_key(charge, seed_)};
  auto& shard = shards_[sought.key % shard_count];
  const auto found = shard.shares.find(sought);
  auto share = current(charge, found == shard.shares.end() ? nullptr : &found->second, nodes, now);
  share.now = debited(charge.limit, share.now, charge.cost, share.nodes);
  if (found != shard.shares.end()) {
    found->second = share;
    return;
  }
  if (shard.shares.size() >= most_per_shard_) make_room(shard, now);
  shard.shares.emplace(Name{charge.identity, charge.quota, charge.limit.unit, charge.limit.period, sought.key}, share);
  count_.fetch_add(1, std::memory_order_relaxed);
}

Shares::Map::iterator Shares::erase(Shard& shard, Map::const_iterator at) {
  count_.fetch_sub(1, std::memory_order_relaxed);
  return shard.shares.erase(at);
}

void Shares::make_room(Shard& shard, Timestamp now) {
  const Name* nearest = nullptr;
  Milliseconds nearest_full{};
  std::size_t sampled = 0;
  for (std::size_t searched = 0; sampled < eviction_sample && (searched < longest_search || !nearest); ++searched) {
    shard.place = (shard.place + 1) % shard.shares.bucket_count();
    for (auto one = shard.shares.cbegin(shard.place); one != shard.shares.cend(shard.place); ++one, ++sampled) {
      const auto limit = limit_of(one->first, one->second);
      const auto full = full_after(limit, refilled(limit, one->second.now, now));
      if (nearest && full >= nearest_full) continue;
      nearest = &one->first;
      nearest_full = full;
    }
  }
  erase(shard, shard.shares.find(*nearest));
}

/// From where it stopped last to the end of the shard, or until there are enough.
void Shares::gather(Shard& shard, std::size_t most, Timestamp now, Debts& into) {
  std::vector<const Name*> over;
  for (; shard.place < shard.shares.bucket_count() && into.charges.size() < most; ++shard.place) {
    for (auto one = shard.shares.cbegin(shard.place); one != shard.shares.cend(shard.place); ++one) {
      const auto& [name, known] = *one;
      if (known.is_settling(now)) continue;
      const auto limit = limit_of(name, known);
      const Share share{refilled(limit, known.start, now), refilled(limit, known.now, now), known.nodes};
      const auto owed = deficit(limit, share);
      if (owed == 0) {
        over.push_back(&name);
        continue;
      }
      into.charges.push_back({name.identity, name.quota, limit, owed, Group::enforced, {}});
      into.starts.push_back(share.start);
    }
  }
  for (const auto* const name : over) erase(shard, shard.shares.find(*name));
}

Shares::Debts Shares::due(std::size_t most, Timestamp now) {
  Debts debts;
  for (std::size_t visited = 0; visited < shard_count && !is_empty(); ++visited) {
    auto& shard = shards_[next_shard_];
    const std::lock_guard lock(shard.mutex);
    gather(shard, most, now, debts);
    if (debts.charges.size() >= most) break;
    shard.place = 0;
    next_shard_ = (next_shard_ + 1) % shard_count;
  }
  return debts;
}

void Shares::paid(const Charge& debt, const Bucket& after, Timestamp now) {
  const Sought sought{debt, bucket_key(debt, seed_)};
  auto& shard = shards_[sought.key % shard_count];
  const std::lock_guard lock(shard.mutex);
  const auto found = shard.shares.find(sought);
  if (found == shard.shares.end()) return;
  const auto limit = limit_of(found->first, found->second);
  auto& share = found->second;
  share.start = debited(limit, refilled(limit, share.start, now), debt.cost, share.nodes);
  share.now = refilled(limit, share.now, now);
  if (share.nodes > 1 && !share.is_handed_back && !share.paid_at) {
    share.paid_at = now;
    return;
  }
  const auto rest = deficit(limit, share);
  if (rest == 0) {
    erase(shard, found);
    return;
  }
  const auto begin = refilled(limit, after, now);
  share = {begin, debited(limit, begin, rest, share.nodes), share.nodes, {}, true};
}

void Shares::unpaid(const Charge& debt) {
  const Sought sought{debt, bucket_key(debt, seed_)};
  auto& shard = shards_[sought.key % shard_count];
  const std::lock_guard lock(shard.mutex);
  if (const auto found = shard.shares.find(sought); found != shard.shares.end()) found->second.paid_at.reset();
}

void Shares::each_owed(Timestamp now, const std::function<void(const Owed&)>& take) const {
  for (const auto& shard : shards_) {
    std::vector<Owed> some;
    std::unique_lock lock(shard.mutex);
    some.reserve(shard.shares.size());
    for (const auto& [name, known] : shard.shares) {
      const auto limit = limit_of(name, known);
      const Share share{refilled(limit, known.start, now), refilled(limit, known.now, now), known.nodes};
      if (deficit(limit, share) > 0)
        some.push_back({name.identity, name.quota, limit, share.start, share.now, known.nodes, known.is_handed_back});
    }
    lock.unlock();
    for (const auto& one : some) take(one);
  }
}

bool Shares::restore(const Owed& owed, Timestamp now) {
  const auto& limit = owed.limit;
  if (!is_countable(limit, owed.start) || !is_countable(limit, owed.now) || owed.nodes < 1 || owed.nodes > most_nodes) return false;
  const Charge charge{owed.identity, owed.quota, limit};
  const Sought sought{charge, bucket_key(charge, seed_)};
  auto& shard = shards_[sought.key % shard_count];
  const Share share{refilled(limit, owed.start, now), refilled(limit, owed.now, now), owed.nodes, {}, owed.is_handed_back};
  const std::lock_guard lock(shard.mutex);
  if (const auto found = shard.shares.find(sought); found != shard.shares.end()) {
    auto& used = found->second;
    const auto its_limit = limit_of(found->first, used);
    used.now = debited(its_limit, refilled(its_limit, used.now, now), deficit(limit, share), used.nodes);
    used.start = refilled(its_limit, used.start, now);
    return true;
  }
  if (shard.shares.size() >= 2 * most_per_shard_) return false;
  shard.shares.emplace(Name{owed.identity, owed.quota, limit.unit, limit.period, sought.key}, share);
  count_.fetch_add(1, std::memory_order_relaxed);
  return true;
}

}  // namespace quota
