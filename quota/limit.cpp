#include "quota/limit.hpp"

#include <algorithm>
#include <array>
#include <numeric>
#include <variant>

#include "quota/text.hpp"
#include "quota/time_text.hpp"

namespace quota {
namespace {

struct SizeUnit {
  std::string_view suffix;
  std::int64_t bytes;
};
constexpr std::array<SizeUnit, 9> size_units{{{"TB", 1'000'000'000'000}, {"GB", 1'000'000'000}, {"MB", 1'000'000},
                                              {"kB", 1'000}, {"KB", 1'000}, {"GiB", 1 << 30}, {"MiB", 1 << 20},
                                              {"KiB", 1 << 10}, {"B", 1}}};

struct PerMessage {
  std::int64_t recipients;
};
using Term = std::variant<Limit, PerMessage>;

/// The number and unit left of the slash.
struct Amount {
  std::int64_t count;
  Unit unit;
};

std::string quoted(std::string_view text) { return "'" + std::string(text) + "'"; }

constexpr std::string_view grammar = "write it as in '250 messages / 15m burst 100', '500MB / 1d' or '300 recipients / message'";
constexpr auto stands_alone = " stands alone: it cannot be joined with other limits";

std::optional<Unit> unit_called(std::string_view word) {
  for (const Unit unit : {Unit::messages, Unit::recipients, Unit::bytes}) {
    const auto plural = name(unit);
    if (word == plural || word == plural.substr(0, plural.size() - 1)) return unit;
  }
  return std::nullopt;
}

Result<Amount, std::string> parse_amount(std::string_view text) {
  const auto digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const auto count = parse_number(text.substr(0, digits));
  const auto word = trim(text.substr(digits));
  if (!count && digits > 0) return quoted(text) + " begins with a number that is too large: at most 2^53";
  if (!count) return quoted(text) + " does not begin with a whole number; " + std::string(grammar);
  if (const auto unit = unit_called(word)) return Amount{*count, *unit};
  for (const auto& size : size_units) {
    if (word != size.suffix) continue;
    if (*count > exact_bound / size.bytes) return quoted(text) + " is too large: at most 2^53 bytes";
    return Amount{*count * size.bytes, Unit::bytes};
  }
  return "unknown unit " + quoted(word) + ": write messages, recipients, bytes, kB, MB or GB";
}

Result<PerMessage, std::string> per_message(const Amount& amount, std::string_view text) {
  if (amount.unit != Unit::recipients)
    return quoted(text) + ": only recipients can be bounded per message; the MTA bounds a message's size";
  if (amount.count < 1) return quoted(text) + ": a bound must be at least 1; to allow nothing write none";
  if (amount.count > 1'000'000'000) return quoted(text) + ": the bound is too large: at most 1000000000";
  return PerMessage{amount.count};
}

Result<std::optional<std::int64_t>, std::string> parse_burst(std::string_view rest, Unit unit) {
  if (rest.empty()) return std::optional<std::int64_t>{};
  if (next_word(rest) != "burst") return "after the period only 'burst NUMBER' may follow; " + std::string(grammar);
  if (const auto plain = parse_number(rest)) return std::optional{*plain};
  const auto amount = parse_amount(rest);
  if (!amount || amount->unit != unit) return "the burst " + quoted(rest) + " is no number of " + std::string(name(unit));
  return std::optional{amount->count};
}

Result<Term, std::string> parse_term(std::string_view text) {
  const auto slash = text.find('/');
  if (slash == std::string_view::npos) return quoted(text) + " has no '/': " + std::string(grammar);
  const auto amount = parse_amount(trim(text.substr(0, slash)));
  if (!amount) return amount.error();
  auto rest = text.substr(slash + 1);
  const auto period_word = next_word(rest);
  if (period_word == "message" && rest.empty()) {
    const auto bound = per_message(*amount, text);
    if (!bound) return bound.error();
    return Term{*bound};
  }
  const auto period = parse_duration(period_word);
  if (!period) return "unknown period: " + period.error();
  const auto burst = parse_burst(rest, amount->unit);
  if (!burst) return burst.error();
  const auto limit = Limit::make(amount->unit, amount->count, *period, *burst);
  if (!limit) return limit.error();
  return Term{*limit};
}

std::optional<Allowance::Kind> word_for_all(std::string_view text) {
  if (text == "unlimited") return Allowance::Kind::unlimited;
  if (text == "none") return Allowance::Kind::none;
  if (text == "inherit") return Allowance::Kind::inherit;
  return std::nullopt;
}

}  // namespace

Rate rate_of(std::int64_t amount, Milliseconds period) {
  const auto divisor = std::gcd(amount, std::int64_t{period.count()});
  return {amount / divisor, period.count() / divisor};
}

Result<Limit, std::string> Limit::make(Unit unit, std::int64_t amount, Milliseconds period,
                                       std::optional<std::int64_t> burst) {
  if (amount < 1) return std::string("a limit must allow at least 1; to allow nothing write none");
  if (burst && *burst < 1) return std::string("a burst must be at least 1");
  if (period < Milliseconds{1} || period > longest_duration) return std::string("the period must be 1ms to 3660d");
  const Limit limit{unit, amount, period, burst.value_or(amount)};
  const auto rate = limit.rate();
  if (amount >= exact_bound || limit.burst > (exact_bound - 1) / rate.interval)
    return "'" + format(limit) + "' is too fine to be counted exactly: burst times period (" +
           std::to_string(rate.interval) + " ms after reduction) must stay below 2^53; use a rounder amount or a smaller burst";
  return limit;
}

Result<Allowance, std::string> parse_allowance(std::string_view text) {
  if (const auto kind = word_for_all(trim(text))) return Allowance{*kind, {}, {}};
  Allowance allowance;
  for (const auto part : split(text, ',')) {
    if (word_for_all(part)) return quoted(part) + stands_alone;
    const auto term = parse_term(part);
    if (!term) return term.error();
    Allowance one;
    if (const auto* limit = std::get_if<Limit>(&*term)) one.limits.push_back(*limit);
    if (const auto* bound = std::get_if<PerMessage>(&*term)) one.recipients_per_message = bound->recipients;
    auto both = joined(std::move(allowance), one);
    if (!both) return both.error();
    allowance = std::move(*both);
  }
  return allowance;
}

Result<Allowance, std::string> joined(Allowance allowance, const Allowance& added) {
  if (allowance.kind != Allowance::Kind::limited || added.kind != Allowance::Kind::limited)
    return quoted(format(allowance.kind != Allowance::Kind::limited ? allowance : added)) + stands_alone;
  for (const auto& limit : added.limits) {
    for (const auto& other : allowance.limits)
      if (other.unit == limit.unit && other.period == limit.period)
        return "two limits on " + bucket_name(limit) + ": '" + format(other) + "' and '" + format(limit) + "'; keep one";
    allowance.limits.push_back(limit);
  }
  if (added.recipients_per_message) {
    if (allowance.recipients_per_message) return std::string("two bounds on recipients / message; keep one");
    allowance.recipients_per_message = added.recipients_per_message;
  }
  return allowance;
}

Allowance overridden(const Allowance& base, const Allowance& replacement) {
  if (replacement.kind == Allowance::Kind::inherit) return base;
  if (replacement.kind != Allowance::Kind::limited) return replacement;
  Allowance out{Allowance::Kind::limited, {}, replacement.recipients_per_message};
  if (base.kind == Allowance::Kind::limited) {
    for (const auto& limit : base.limits)
      if (std::none_of(replacement.limits.begin(), replacement.limits.end(),
                       [&](const Limit& other) { return other.unit == limit.unit; }))
        out.limits.push_back(limit);
    if (!out.recipients_per_message) out.recipients_per_message = base.recipients_per_message;
  }
  out.limits.insert(out.limits.end(), replacement.limits.begin(), replacement.limits.end());
  return out;
}

std::string format_amount(std::int64_t amount, Unit unit) {
  if (unit == Unit::bytes)
    for (const auto& size : size_units)
      if (size.bytes > 1 && size.suffix != "KB" && amount >= size.bytes && amount % size.bytes == 0)
        return std::to_string(amount / size.bytes) + std::string(size.suffix);
  return std::to_string(amount);
}

std::string format(const Limit& limit) {
  auto amount = format_amount(limit.amount, limit.unit);
  const bool has_unit = amount.back() > '9';
  auto text = std::move(amount) + (has_unit ? "" : " " + std::string(name(limit.unit))) + " / " + format_duration(limit.period);
  if (limit.burst != limit.amount) text += " burst " + format_amount(limit.burst, limit.unit);
  return text;
}

std::string format(const Allowance& allowance) {
  switch (allowance.kind) {
    case Allowance::Kind::unlimited: return "unlimited";
    case Allowance::Kind::none: return "none";
    case Allowance::Kind::inherit: return "inherit";
    case Allowance::Kind::limited: break;
  }
  std::string text;
  for (const auto& limit : allowance.limits) text += (text.empty() ? "" : ", ") + format(limit);
  if (allowance.recipients_per_message)
    text += (text.empty() ? "" : ", ") + std::to_string(*allowance.recipients_per_message) + " recipients / message";
  return text;
}

std::string bucket_name(const Limit& limit) {
  return std::string(name(limit.unit)) + "/" + format_duration(limit.period);
}

}  // namespace quota
