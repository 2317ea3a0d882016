#include "milter/reply.hpp"

#include <array>
#include <ctime>

#include "quota/text.hpp"

namespace milter {
namespace {

using quota::Action;
using quota::Cause;
using quota::Failure;

constexpr std::string_view built_in_over = "Sending limit reached: {used} (quota {quota}, {identity}); try again at {retry}; contact {contact}";
constexpr std::string_view built_in_too_big = "Message exceeds its sending limit: {used} (quota {quota}, {identity}); split it into smaller messages; contact {contact}";
constexpr std::string_view built_in_nothing = "Sending is not allowed (quota {quota}, {identity}); contact {contact}";
constexpr std::string_view built_in_blocked = "Sending is blocked ({identity}){reason}; try again at {retry}; contact {contact}";
constexpr std::string_view outage_text = "Sending limits cannot be checked at the moment; try again later";

/// `14:32 +0900`, with the date where it is another day; rounded up to the minute, so that the time is never too early.
std::string retry_text(quota::Timestamp retry_at, quota::Timestamp now) {
  const auto as_local = [](std::chrono::sys_time<std::chrono::minutes> at) {
    const auto seconds = static_cast<std::time_t>(std::chrono::seconds{at.time_since_epoch()}.count());
    std::tm local{};
    localtime_r(&seconds, &local);
    return local;
  };
  const auto retry = as_local(std::chrono::ceil<std::chrono::minutes>(retry_at));
  const auto today = as_local(std::chrono::floor<std::chrono::minutes>(now));
  const bool same_day = retry.tm_yday == today.tm_yday && retry.tm_year == today.tm_year;
  std::array<char, 64> out{};
  std::strftime(out.data(), out.size(), same_day ? "%H:%M %z" : "%Y-%m-%d %H:%M %z", &retry);
  return out.data();
}

std::string shown_identity(const quota::Identity& identity) {
  const bool is_host = identity.kind == quota::Kind::client && identity.value.starts_with("local/");
  const bool hidden = is_host || quota::is_shared(identity.kind) || identity.kind == quota::Kind::script || identity.kind == quota::Kind::uid;
  return hidden ? "" : identity.text();
}

/// `250 messages`, `20MB`.
std::string measured(std::int64_t amount, quota::Unit unit) {
  const auto text = quota::format_amount(amount, unit);
  return text.back() > '9' ? text : text + " " + std::string(quota::name(unit));
}

std::string used_text(const Failure& failure) {
  if (failure.cause == Cause::blocked) return "";  // a block has no limit
  const auto most = quota::format_amount(failure.burst, failure.unit);
  if (failure.cause == Cause::too_big) return measured(failure.cost, failure.unit) + " in one message, at most " + most;
  if (failure.unit == quota::Unit::bytes) return measured(failure.used, failure.unit) + " of " + most;
  return std::to_string(failure.used) + " of " + measured(failure.burst, failure.unit);
}

std::string public_reason(const Failure& failure) {
  constexpr std::string_view mark = "public:";
  if (!failure.reason.starts_with(mark)) return "";
  return ": " + std::string(quota::trim(std::string_view(failure.reason).substr(mark.size())));
}

struct Placeholder {
  std::string_view name;
  std::string value;
};
using Placeholders = std::array<Placeholder, 7>;

/// In the order in which they are filled in: a contact may name the identity, as in a link.
Placeholders placeholders(const Failure& failure, const std::string& contact, quota::Timestamp now) {
  return {{{"{contact}", contact},
           {"{identity}", shown_identity(failure.identity)},
           {"{quota}", failure.quota},
           {"{limit}", failure.limit},
           {"{used}", used_text(failure)},
           {"{retry}", failure.retry_at ? retry_text(*failure.retry_at, now) : ""},
           {"{reason}", public_reason(failure)}}};
}

/// One part with its placeholders filled in. An empty one takes the `, ` or the ` ()` around it along; where nothing can
/// take its place the whole part is empty.
std::string filled(std::string part, const Placeholders& values) {
  for (const auto& [name, value] : values) {
    for (auto at = part.find(name); at != std::string::npos; at = part.find(name, at + value.size())) {
      if (!value.empty() || name == "{reason}") {
        part.replace(at, name.size(), value);
      } else if (const auto pair = ", " + std::string(name); at >= 2 && part.compare(at - 2, pair.size(), pair) == 0) {
        part.erase(at - 2, pair.size());
        at -= 2;
      } else if (const auto alone = " (" + std::string(name) + ")"; at >= 2 && part.compare(at - 2, alone.size(), alone) == 0) {
        part.erase(at - 2, alone.size());
        at -= 2;
      } else {
        return "";
      }
    }
  }
  return part;
}

std::string expanded(std::string_view text, const Placeholders& values) {
  constexpr std::string_view separator = "; ";
  std::string out;
  for (;;) {
    const auto end = text.find(separator);
    const auto part = filled(std::string(text.substr(0, end)), values);
    if (!part.empty()) out += (out.empty() ? "" : "; ") + part;
    if (end == std::string_view::npos) return out;
    text.remove_prefix(end + separator.size());
  }
}

std::string_view built_in(Cause cause) {
  switch (cause) {
    case Cause::blocked: return built_in_blocked;
    case Cause::too_big: return built_in_too_big;
    case Cause::nothing_allowed: return built_in_nothing;
    default: return built_in_over;
  }
}

/// Empty where nobody wrote one.
std::string_view written_text(Cause cause, const quota::ReplyTexts& texts) {
  switch (cause) {
    case Cause::blocked: return texts.blocked;
    case Cause::too_big: return texts.too_big;
    case Cause::nothing_allowed: return "";
    default: return texts.over;
  }
}

/// The first text that says anything, all parts left out that cannot be filled in.
std::string text_for(const Failure& failure, const quota::ReplyTexts& own, const quota::ReplyTexts& general, quota::Timestamp now) {
  const auto values = placeholders(failure, own.contact.empty() ? general.contact : own.contact, now);
  for (const auto text : {written_text(failure.cause, own), written_text(failure.cause, general)})
    if (auto filled_in = expanded(text, values); !filled_in.empty()) return filled_in;
  return expanded(built_in(failure.cause), values);
}

/// RFC 3463: X.7.1 delivery not authorised by policy, X.5.3 too many recipients, X.3.4 message too big.
SmtpReply codes_for(const Failure& failure, Action action) {
  if (action == Action::tempfail) return {"451", "4.7.1", ""};
  if (failure.cause == Cause::too_big && failure.unit == quota::Unit::recipients) return {"550", "5.5.3", ""};
  if (failure.cause == Cause::too_big && failure.unit == quota::Unit::bytes) return {"552", "5.3.4", ""};
  return {"550", "5.7.1", ""};
}

}  // namespace

SmtpReply reply_for(const quota::Verdict& verdict, const quota::Policy& policy, const quota::ReplyTexts& texts, quota::Timestamp now) {
  // An MTA ignores a reply whose code is of another kind than the answer.
  if (!verdict.decider && verdict.action == Action::reject) return {"550", "5.3.0", std::string(outage_text)};
  if (!verdict.decider) return {"451", "4.3.0", std::string(outage_text)};
  const auto& failure = *verdict.decider;
  const auto* quota = policy.find(failure.quota);
  auto reply = codes_for(failure, verdict.action);
  reply.text = safe_reply_text(text_for(failure, quota ? quota->reply : quota::ReplyTexts{}, texts, now));
  return reply;
}

std::string safe_reply_text(std::string_view text) {
  std::string out;
  for (const char c : safe_hold_reason(text)) out.append(c == '%' ? 2 : 1, c);
  return out;
}

std::string safe_hold_reason(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, longest_reply_text)) {
    const bool is_white = c == '\n' || c == '\r' || c == '\t';
    out += is_white ? ' ' : (c >= 0x20 && c <= 0x7e) ? c : '?';
  }
  return out;
}

}  // namespace milter
