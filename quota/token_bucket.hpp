// The token bucket: the arithmetic, and only it. Pure; take.lua does the same sums, and a differential test holds the two together.
//
// A bucket is kept as what is *used*, counted in tokens·interval so that nothing is ever rounded. With rate() = tokens/interval:
//   scaled(bucket) = used · interval + remainder                    0 ≤ remainder < interval
//   after time e   : max(0, scaled − e · tokens)                    e is capped at the time to empty before it is multiplied
//   holds(cost)    ⇔ scaled + cost · interval ≤ burst · interval
//   retry_after    = ⌈(scaled + cost · interval − burst · interval) / tokens⌉
// Source: token bucket of RFC 2697 §3, its rate written as amount/period, its level as burst − used.
// Known limit: `used` may exceed `burst` (a debt) where a caller commits without asking; refill repays it.
#pragma once

#include <optional>

#include "quota/limit.hpp"

namespace quota {

/// A bucket as it was written: `used` and `remainder` under `amount` (per the limit's period) and `burst`, at `written`.
struct Bucket {
  std::int64_t used = 0;
  std::int64_t remainder = 0;
  std::int64_t amount = 0;
  std::int64_t burst = 0;
  Timestamp written{};

  bool operator==(const Bucket&) const = default;
};

/// The bucket at `now` under `limit`. Absent is full. A `now` before `written` refills nothing (clocks step back).
/// One written under another amount or burst is refilled under that one, then carries what is used over: whole units,
/// rounded up, at most the new burst.
/// Requires: `before` was written under the same unit and period as `limit` (they name its field).
[[nodiscard]] Bucket refilled(const Limit& limit, const std::optional<Bucket>& before, Timestamp now);

/// Whether `cost` fits. Requires for this and all below: `bucket` came from refilled(limit, …); cost ≥ 0.
[[nodiscard]] bool holds(const Limit& limit, const Bucket& bucket, std::int64_t cost);

/// How long until `cost` fits; zero if it does now; empty if it never will (cost > burst).
[[nodiscard]] std::optional<Milliseconds> retry_after(const Limit& limit, const Bucket& bucket, std::int64_t cost);

/// The bucket with `cost` taken, whether it held or not.
[[nodiscard]] Bucket spent(const Bucket& bucket, std::int64_t cost);

/// How long until nothing is used.
[[nodiscard]] Milliseconds full_after(const Limit& limit, const Bucket& bucket);

/// What is used in whole units, a part counted as one: what a person is shown.
[[nodiscard]] std::int64_t used_units(const Bucket& bucket);

/// `33/250 0 250 1763790000000`: used/burst remainder amount time. The text of a record's field.
[[nodiscard]] std::string format(const Bucket& bucket);

/// Reads it back. Empty for any other text, and for numbers that could not be counted exactly under `period`.
[[nodiscard]] std::optional<Bucket> parse_bucket(std::string_view text, Milliseconds period);

}  // namespace quota
