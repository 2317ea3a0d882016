#include "quota/holding.hpp"

#include <algorithm>

namespace quota {
namespace {

/// What `cost` is held against. Requires: cost ≤ limit.burst.
std::int64_t weighed(const Limit& limit, const Taken& seen, std::int64_t cost) {
  if (!seen.is_from_share()) return cost;
  return cost > limit.burst / seen.nodes ? limit.burst : cost * seen.nodes;
}

bool all_hold(std::span<const Charge> charges, std::span<const Taken> seen, Group group) {
  for (std::size_t i = 0; i < charges.size(); ++i)
    if (charges[i].group == group && !holds(charges[i], seen[i])) return false;
  return true;
}

}  // namespace

std::optional<Milliseconds> retry_after(const Limit& limit, const Taken& seen, std::int64_t cost) {
  if (cost > limit.burst) return std::nullopt;
  return retry_after(limit, seen.bucket, weighed(limit, seen, cost));
}

bool holds(const Charge& charge, const Taken& seen) { return retry_after(charge.limit, seen, charge.cost) == Milliseconds{0}; }

Holding holding_of(std::span<const Charge> charges, std::span<const Taken> seen) {
  const bool enforced = all_hold(charges, seen, Group::enforced);
  return {enforced, enforced && all_hold(charges, seen, Group::observed)};
}

}  // namespace quota
