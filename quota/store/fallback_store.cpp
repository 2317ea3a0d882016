#include "quota/store/fallback_store.hpp"

#include <algorithm>

namespace quota {
namespace {

/// The answer for a share, told as an answer for the whole limit: what the other nodes may give counts as used. So the same
/// messages hold, and none can look as if it could never fit.
Taken as_if_whole(const Charge& charge, const Charge& share, const Taken& taken, Timestamp now) {
  if (holds(share.limit, taken.bucket, share.cost)) return {{0, 0, charge.limit.amount, charge.limit.burst, now}, 0};
  return {{std::max<std::int64_t>(0, charge.limit.burst - charge.cost + 1), 0, charge.limit.amount, charge.limit.burst, now}, 0};
}

}  // namespace

std::vector<Charge> FallbackStore::shared_out(std::span<const Charge> charges) const {
  std::vector<Charge> shares(charges.begin(), charges.end());
  for (auto& share : shares) {
    share.limit.burst = std::max<std::int64_t>(1, share.limit.burst / nodes_);
    share.limit.amount = std::max<std::int64_t>(1, share.limit.amount / nodes_);
    if (share.cost <= charges[static_cast<std::size_t>(&share - shares.data())].limit.burst) share.cost = std::min(share.cost, share.limit.burst);
    share.refusal_window.reset();
  }
  return shares;
}

void FallbackStore::note(const StoreError* error) {
  const bool is_degraded = error != nullptr;
  if (is_degraded_.exchange(is_degraded) != is_degraded) report_(error ? error->text : "");
}

Result<Outcome, StoreError> FallbackStore::take(std::span<const Charge> charges) {
  if (charges.empty()) return primary_.take(charges);
  const auto answer = primary_.take(charges);
  if (answer) {
    note(nullptr);
    return answer;
  }
  const auto error = answer.error();
  note(&error);
  const auto shares = shared_out(charges);
  auto outcome = share_.take(shares);
  if (!outcome) return outcome;
  for (std::size_t i = 0; i < charges.size(); ++i)
    outcome->charges[i] = as_if_whole(charges[i], shares[i], outcome->charges[i], outcome->now);
  return outcome;
}

Result<Outcome, StoreError> FallbackStore::peek(std::span<const Charge> charges) { return primary_.peek(charges); }

Result<std::int64_t, StoreError> FallbackStore::hold(const Identity& identity, const std::string& host, std::int64_t most) {
  return primary_.hold(identity, host, most);
}

}  // namespace quota
