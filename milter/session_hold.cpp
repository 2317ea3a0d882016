// Mail that is held: down to the bottom of the hold queue, and what becomes of it when the MTA has answered.
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <array>

#include "milter/log_line.hpp"
#include "milter/session_mail.hpp"

namespace milter {

using quota::Action;
using quota::Cause;
using quota::Verdict;

namespace {

void count_one(Counters::Counter& counter) { counter.fetch_add(1, std::memory_order_relaxed); }

std::string_view name(HoldSettings::Then then) {
  constexpr std::array<std::string_view, 3> names{"discard", "reject", "hold"};
  return names[static_cast<std::size_t>(then)];
}

/// What the MTA keeps as the reason of a hold, and Sendmail shows in mailq.
std::string hold_reason(const Verdict& verdict) {
  if (!verdict.decider) return "sendquota: sending limits cannot be checked";
  const auto& failure = *verdict.decider;
  if (failure.cause == Cause::blocked) return fmt::format("sendquota: {} is blocked", failure.identity.text());
  const auto subject = fmt::format("sendquota: quota {}, {}", failure.quota, failure.identity.text());
  if (failure.cause == Cause::nothing_allowed) return subject + ", nothing is allowed";
  if (failure.cause == Cause::too_big)
    return fmt::format("{}, {} {} in one message, at most {}", subject, failure.cost, quota::name(failure.unit), failure.burst);
  return fmt::format("{}, {} of {} {}", subject, failure.used, failure.burst, quota::name(failure.unit));
}

}  // namespace

/// For whom a message that is held counts.
quota::Identity Session::held_identity(const Verdict& verdict) const {
  return verdict.decider ? verdict.decider->identity : quota::local_client_identity(client_.host);
}

/// Holds a message, down to the bottom of the hold queue.
Answer Session::held(const Verdict& verdict, std::string_view queue_id, quota::Timestamp now) {
  const Answer hold{Answer::What::quarantine, {}, hold_reason(verdict)};
  const auto identity = held_identity(verdict);
  const auto most = mail_->config->hold.max;
  const auto counted = count_held(identity, most);
  if (!counted) return hold;
  if (*counted > most - most / 5) count_one(services_.counters.near_bottom);
  if (*counted <= most) return hold;
  const auto then = mail_->config->hold.then;
  services_.aftermath.happened({"hold_full", "error", identity.text(),
                                fmt::format("{} messages are held on {}; further ones: {}", most, client_.host, name(then)), "sendquotad", client_.host},
                               fmt::format("hold_full:{}:{}", client_.host, identity.text()));
  switch (then) {
    case HoldSettings::Then::hold: return hold;
    case HoldSettings::Then::reject:
      return refusal(Action::reject, reply_for({Action::reject, verdict.cause, verdict.decider}, mail_->policy(), mail_->config->reply, now));
    case HoldSettings::Then::discard: break;
  }
  discard(identity, queue_id);
  return {Answer::What::discard, {}, {}};
}

quota::Result<std::int64_t, quota::StoreError> Session::count_held(const quota::Identity& identity, std::int64_t most) {
  const quota::Patience patience(mail_->waited);
  return services_.store.hold(identity, client_.host, most);
}

/// What is thrown away is nowhere else: the log tells from whom and to whom it was.
void Session::discard(const quota::Identity& identity, std::string_view queue_id) {
  count_one(services_.counters.discarded);
  for (const auto& recipient : mail_->envelope.recipients)
    spdlog::error("{}: discarded: from={}, to={}, identity={}, hold.max={}", log_safe(queue_id), log_address(mail_->envelope.mail_from),
                 log_address(recipient), identity.text(), mail_->config->hold.max);
}

Answer Session::after_hold(Hold hold) {
  if (!mail_ || !mail_->hold) return {};
  auto [verdict, queue_id, now] = std::move(*mail_->hold);
  auto answer = hold == Hold::taken ? Answer{Answer::What::accept, {}, {}} : not_held(queue_id);
  if (hold == Hold::failed) verdict.action = Action::tempfail;
  if (hold == Hold::taken) tell_first_hold(verdict);
  log(verdict, answer, "END-OF-MESSAGE", queue_id, now);
  drop();
  return answer;
}

void Session::tell_first_hold(const Verdict& verdict) {
  const auto identity = held_identity(verdict);
  services_.aftermath.happened({"first_hold", "warning", identity.text(),
                                "mail is held on " + client_.host + (verdict.decider ? ": quota " + verdict.decider->quota : std::string()), "sendquotad", client_.host},
                               "first_hold:" + identity.text());
}

Answer Session::not_held(std::string_view queue_id) {
  count_one(services_.counters.quarantine_failed);
  spdlog::error("{}: the MTA did not take the quarantine; the message is tempfailed, never let through", log_safe(queue_id));
  return refusal(Action::tempfail, {"451", "4.3.0", "The message cannot be held at the moment; try again later"});
}

}  // namespace milter
