#include "quota/token_bucket.hpp"

#include <algorithm>
#include <array>

#include "quota/text.hpp"

namespace quota {
namespace {

constexpr std::int64_t ceil_div(std::int64_t value, std::int64_t by) { return value / by + (value % by != 0 ? 1 : 0); }

std::int64_t scaled(const Bucket& bucket, const Rate& rate) { return bucket.used * rate.interval + bucket.remainder; }

std::int64_t after(std::int64_t scaled, const Rate& rate, Milliseconds elapsed) {
  const auto to_full = ceil_div(scaled, rate.tokens);
  return elapsed.count() >= to_full ? 0 : scaled - elapsed.count() * rate.tokens;
}

}  // namespace

Bucket refilled(const Limit& limit, const std::optional<Bucket>& before, Timestamp now) {
  if (!before) return {0, 0, limit.amount, limit.burst, now};
  const auto rate = rate_of(before->amount, limit.period);
  const auto level = after(scaled(*before, rate), rate, std::max(Milliseconds{0}, now - before->written));
  if (before->amount == limit.amount && before->burst == limit.burst)
    return {level / rate.interval, level % rate.interval, limit.amount, limit.burst, now};
  return {std::min(ceil_div(level, rate.interval), limit.burst), 0, limit.amount, limit.burst, now};
}

bool holds(const Limit& limit, const Bucket& bucket, std::int64_t cost) {
  return retry_after(limit, bucket, cost) == Milliseconds{0};
}

std::optional<Milliseconds> retry_after(const Limit& limit, const Bucket& bucket, std::int64_t cost) {
  if (cost > limit.burst) return std::nullopt;
  const auto rate = limit.rate();
  const auto excess = scaled(bucket, rate) - (limit.burst - cost) * rate.interval;
  return Milliseconds{excess <= 0 ? 0 : ceil_div(excess, rate.tokens)};
}

Bucket spent(const Bucket& bucket, std::int64_t cost) {
  auto after = bucket;
  after.used += cost;
  return after;
}

Milliseconds full_after(const Limit& limit, const Bucket& bucket) {
  const auto rate = limit.rate();
  return Milliseconds{ceil_div(scaled(bucket, rate), rate.tokens)};
}

std::int64_t used_units(const Bucket& bucket) { return bucket.used + (bucket.remainder > 0 ? 1 : 0); }

std::string format(const Bucket& bucket) {
  return std::to_string(bucket.used) + "/" + std::to_string(bucket.burst) + " " + std::to_string(bucket.remainder) + " " +
         std::to_string(bucket.amount) + " " + std::to_string(bucket.written.time_since_epoch().count());
}

std::optional<Bucket> parse_bucket(std::string_view text, Milliseconds period) {
  const auto slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const auto used = parse_number(text.substr(0, slash));
  const auto rest = split(text.substr(slash + 1), ' ');
  if (!used || rest.size() != 4) return std::nullopt;
  std::array<std::int64_t, 4> numbers{};
  for (std::size_t i = 0; i < 4; ++i) {
    const auto number = parse_number(rest[i]);
    if (!number || *number >= exact_bound) return std::nullopt;
    numbers[i] = *number;
  }
  const auto [burst, remainder, amount, written] = numbers;
  if (burst < 1 || amount < 1) return std::nullopt;
  const auto rate = rate_of(amount, period);
  if (remainder >= rate.interval || *used > (exact_bound - 1 - remainder) / rate.interval) return std::nullopt;
  return Bucket{*used, remainder, amount, burst, Timestamp{Milliseconds{written}}};
}

}  // namespace quota
