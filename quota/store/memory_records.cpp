#include "quota/store/memory_records.hpp"

#include <algorithm>

#include "quota/holding.hpp"

namespace quota {
namespace {

bool counts_as_refusal(const Charge& charge, const Taken& taken) {
  return charge.group == Group::enforced && charge.refusal_window && !holds(charge, taken);
}

bool is_taken(const Charge& charge, const Outcome& outcome) {
  return charge.group == Group::enforced ? outcome.enforced_taken : outcome.observed_taken;
}

/// Counts in the record and returns the count after.
std::int64_t count_in(MemoryShard& shard, const RecordKey& key, const RefusalBatch& batch, Timestamp now) {
  std::optional<Refusals> before;
  const auto* const rest = shard.rest(key, now);
  if (rest && rest->refusals.contains(batch.quota)) before = rest->refusals.at(batch.quota);
  const auto after = counted(before, now, batch.window, batch.refusals);
  shard.writable_rest(key, now, after.since + batch.window).refusals[batch.quota] = after;
  return after.count;
}

Timestamp kept_until(const BlockMark& mark, Timestamp now) {
  const auto end = mark.until.value_or(now + endless_block_kept_for);
  return mark.ladder ? std::max(end, mark.ladder->forget_at) : end;
}

}  // namespace

MemoryRecords::MemoryRecords(const Clock& clock, Size size, std::uint64_t seed) : clock_(clock), seed_(seed) {
  const auto shards = std::max<std::size_t>(size.shards, 1);
  const auto most = std::max<std::size_t>((size.most + shards - 1) / shards, 1);
  while (parts_.size() < shards) parts_.emplace_back(most, seed);
}

std::size_t MemoryRecords::shard_of(std::string_view identity, std::size_t shards, std::uint64_t seed) {
  return seeded_hash(identity, seed) % shards;
}

MemoryRecords::Seat MemoryRecords::seat(std::string identity) {
  const auto hash = seeded_hash(identity, seed_);
  return {&parts_[hash % parts_.size()], {std::move(identity), hash}};
}

std::vector<MemoryRecords::Seat> MemoryRecords::seats(std::span<const Charge> charges) {
  std::vector<Seat> all;
  all.reserve(charges.size());
  for (const auto& charge : charges) all.push_back(seat(charge.identity.text()));
  return all;
}

MemoryRecords::Locks MemoryRecords::lock_all(const std::vector<Seat>& seats) {
  std::vector<Part*> parts;
  parts.reserve(seats.size());
  for (const auto& seat : seats) parts.push_back(seat.part);
  std::ranges::sort(parts, std::less<>{});
  parts.erase(std::unique(parts.begin(), parts.end()), parts.end());
  Locks locks;
  locks.reserve(parts.size());
  for (auto* const part : parts) locks.emplace_back(part->shard.mutex());
  return locks;
}

Outcome MemoryRecords::look(std::span<const Charge> charges, std::vector<Seat>& seats) {
  Outcome outcome;
  outcome.now = clock_.now();
  outcome.charges.reserve(charges.size());
  for (std::size_t i = 0; i < charges.size(); ++i) {
    const auto& charge = charges[i];
    const auto before = seats[i].part->shard.bucket(seats[i].key, {charge.quota, charge.limit}, outcome.now);
    seats[i].is_from_the_future = before && before->written > outcome.now;
    outcome.charges.push_back({refilled(charge.limit, before, outcome.now)});
  }
  const auto holding = holding_of(charges, outcome.charges);
  outcome.enforced_taken = holding.enforced;
  outcome.observed_taken = holding.observed;
  return outcome;
}

void MemoryRecords::commit(std::span<const Charge> charges, const std::vector<Seat>& seats, const Outcome& outcome) {
  for (std::size_t i = 0; i < charges.size(); ++i) {
    const auto& charge = charges[i];
    const auto cost = is_taken(charge, outcome) ? charge.cost : 0;
    if (cost == 0 && !seats[i].is_from_the_future) continue;
    seats[i].part->shard.write(seats[i].key, {charge.quota, charge.limit}, spent(outcome.charges[i].bucket, cost));
  }
}

void MemoryRecords::count_failures(std::span<const Charge> charges, const std::vector<Seat>& seats, Outcome& outcome) {
  for (std::size_t i = 0; i < charges.size(); ++i) {
    const auto& charge = charges[i];
    if (!counts_as_refusal(charge, outcome.charges[i])) continue;
    const auto is_the_same = [&](const Charge& other) {
      return other.identity == charge.identity && other.quota == charge.quota && other.refusal_window;
    };
    for (std::size_t j = 0; j < i && outcome.charges[i].refusals == 0; ++j)
      if (is_the_same(charges[j])) outcome.charges[i].refusals = outcome.charges[j].refusals;
    if (outcome.charges[i].refusals > 0) continue;
    const RefusalBatch one{charge.identity, charge.quota, *charge.refusal_window, 1};
    outcome.charges[i].refusals = count_in(seats[i].part->shard, seats[i].key, one, outcome.now);
  }
}

Outcome MemoryRecords::take(std::span<const Charge> charges) {
  if (charges.empty()) return {clock_.now(), true, true, {}};
  auto all = seats(charges);
  const auto locks = lock_all(all);
  auto outcome = look(charges, all);
  commit(charges, all, outcome);
  if (!outcome.enforced_taken) count_failures(charges, all, outcome);
  return outcome;
}

Outcome MemoryRecords::peek(std::span<const Charge> charges) {
  auto all = seats(charges);
  const auto locks = lock_all(all);
  return look(charges, all);
}

std::int64_t MemoryRecords::hold(const Identity& identity, const std::string& host, std::int64_t most) {
  const auto [part, key, unused] = seat(identity.text());
  const std::lock_guard lock(part->shard.mutex());
  const auto now = clock_.now();
  const auto* const rest = part->shard.rest(key, now);
  const auto before = rest && rest->held.contains(host) ? rest->held.at(host) : 0;
  if (before >= most) return most + 1;
  return part->shard.writable_rest(key, now, now + held_kept_for).held[host] = before + 1;
}

void MemoryRecords::unhold(const Identity& identity, const std::string& host, std::int64_t count) {
  const auto [part, key, unused] = seat(identity.text());
  const std::lock_guard lock(part->shard.mutex());
  const auto now = clock_.now();
  const auto* const rest = part->shard.rest(key, now);
  if (!rest || !rest->held.contains(host)) return;
  const auto left = rest->held.at(host) - count;
  auto& held = part->shard.writable_rest(key, now, now).held;
  if (left > 0)
    held[host] = left;
  else
    held.erase(host);
}

std::int64_t MemoryRecords::count_refusals(const RefusalBatch& batch) {
  const auto [part, key, unused] = seat(batch.identity.text());
  const std::lock_guard lock(part->shard.mutex());
  return count_in(part->shard, key, batch, clock_.now());
}

Record MemoryRecords::read(const std::string& identity) {
  const auto [part, key, unused] = seat(identity);
  const std::lock_guard lock(part->shard.mutex());
  return part->shard.read(key, clock_.now());
}

void MemoryRecords::mark(const std::string& identity, const BlockMark& mark, std::uint64_t number) {
  const auto [part, key, unused] = seat(identity);
  const std::lock_guard lock(part->shard.mutex());
  part->last_change = std::max(part->last_change, number);
  const auto now = clock_.now();
  auto& rest = part->shard.writable_rest(key, now, kept_until(mark, now));
  if (rest.block == mark.id) {
    if (mark.ladder) rest.ladder = prolonged(rest.ladder, *mark.ladder);
    return;
  }
  rest.block = mark.id;
  if (mark.ladder) rest.ladder = mark.ladder;
  rest.refusals.erase(mark.quota);
}

void MemoryRecords::empty(const std::string& identity, std::uint64_t number) {
  const auto [part, key, unused] = seat(identity);
  const std::lock_guard lock(part->shard.mutex());
  part->last_change = std::max(part->last_change, number);
  part->shard.erase(key);
}

void MemoryRecords::put(const std::string& identity, const Record& record) {
  const auto [part, key, unused] = seat(identity);
  const std::lock_guard lock(part->shard.mutex());
  part->shard.put(key, record, clock_.now());
}

void MemoryRecords::sweep() {
  for (auto& part : parts_) {
    const std::lock_guard lock(part.shard.mutex());
    part.shard.sweep(clock_.now());
  }
}

std::uint64_t MemoryRecords::write_shard(std::size_t index, std::string& lines) {
  auto& part = parts_[index];
  const std::lock_guard lock(part.shard.mutex());
  const auto now = clock_.now();
  part.shard.sweep(now);
  part.shard.append_to(lines, now);
  return part.last_change;
}

MemoryCounts MemoryRecords::counts() {
  MemoryCounts sum;
  for (auto& part : parts_) {
    const std::lock_guard lock(part.shard.mutex());
    const auto one = part.shard.counts();
    sum.records += one.records;
    sum.expired += one.expired;
    sum.evicted += one.evicted;
  }
  return sum;
}

}  // namespace quota
