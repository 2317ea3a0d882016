#include "milter/admin/meter.hpp"

#include <algorithm>

namespace milter::admin {

std::optional<quota::Milliseconds> Meter::count(const std::string& caller, quota::Timestamp now) {
  const auto known = buckets_.find(caller);
  const auto bucket = quota::refilled(limit_, known == buckets_.end() ? std::nullopt : std::optional(known->second), now);
  if (!quota::holds(limit_, bucket, 1)) return quota::retry_after(limit_, bucket, 1);
  if (known == buckets_.end() && buckets_.size() >= most_callers) make_room(now);
  buckets_[caller] = quota::spent(bucket, 1);
  return std::nullopt;
}

void Meter::make_room(quota::Timestamp now) {
  std::erase_if(buckets_, [&](const auto& one) { return quota::used_units(quota::refilled(limit_, one.second, now)) == 0; });
  if (buckets_.size() < most_callers) return;
  buckets_.erase(std::ranges::min_element(buckets_, {}, [](const auto& one) { return one.second.written; }));
}

}  // namespace milter::admin
