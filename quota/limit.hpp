// Limits and their grammar: what a quota allows, as people write it and as the arithmetic needs it.
//
//   250 messages / 15m burst 100     a token bucket: holds 100, refilled at 250 in 15 minutes
//   2000 recipients / 1d             its burst is the amount, 2000
//   500MB / 1d                       bytes; kB, MB, GB count in thousands, KiB, MiB, GiB in 1024
//   300 recipients / message         a plain bound on one message
//   unlimited | none | inherit       everything, nothing, or: as if this entry were not there
//
// Knows nothing of quotas, identities or time.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "quota/result.hpp"
#include "quota/units.hpp"

namespace quota {

/// amount/period in lowest terms: `tokens` come back every `interval` milliseconds.
struct Rate {
  std::int64_t tokens;
  std::int64_t interval;
};

/// The rate of `amount` per `period`. Requires: both ≥ 1.
[[nodiscard]] Rate rate_of(std::int64_t amount, Milliseconds period);

/// A token bucket of capacity `burst`, refilled at `amount` per `period`, full at first.
/// Invariants (make and the parsers check them): amount, period, burst ≥ 1 and burst · rate().interval < 2^53.
struct Limit {
  Unit unit;
  std::int64_t amount;
  Milliseconds period;
  std::int64_t burst;

  /// Errors: a sentence that says which number to change.
  [[nodiscard]] static Result<Limit, std::string> make(Unit unit, std::int64_t amount, Milliseconds period,
                                                       std::optional<std::int64_t> burst);
  [[nodiscard]] Rate rate() const { return rate_of(amount, period); }
  bool operator==(const Limit&) const = default;
};

/// What a quota, or an override, grants to one identity.
struct Allowance {
  enum class Kind : std::uint8_t { limited, unlimited, none, inherit };

  Kind kind = Kind::limited;
  std::vector<Limit> limits;                             ///< no two with one unit and period
  std::optional<std::int64_t> recipients_per_message{};  ///< the `/ message` bound

  bool operator==(const Allowance&) const = default;
};

/// Reads one limit, several joined by commas, or one of the words. Errors: what is wrong and what to write instead.
[[nodiscard]] Result<Allowance, std::string> parse_allowance(std::string_view text);

/// Puts the terms of `added` into `allowance`, as `limits = ["…", "…"]` joins them. Errors: a term given twice.
[[nodiscard]] Result<Allowance, std::string> joined(Allowance allowance, const Allowance& added);

/// `base` with the limits of each unit that `replacement` names replaced (`/ message` is a unit of its own).
[[nodiscard]] Allowance overridden(const Allowance& base, const Allowance& replacement);

/// The canonical text, which parse_allowance reads back: `250 messages / 15m burst 100`.
[[nodiscard]] std::string format(const Limit& limit);
[[nodiscard]] std::string format(const Allowance& allowance);

/// `500MB` for bytes, the plain number for all else.
[[nodiscard]] std::string format_amount(std::int64_t amount, Unit unit);

/// The part of a record's field name that belongs to the limit: `messages/15m`.
[[nodiscard]] std::string bucket_name(const Limit& limit);

}  // namespace quota
