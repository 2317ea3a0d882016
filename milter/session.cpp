#include "milter/session_mail.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>

#include "milter/log_line.hpp"
#include "quota/patience.hpp"
#include "quota/text.hpp"

namespace milter {

using quota::Action;
using quota::Cause;
using quota::Verdict;

namespace {

constexpr std::string_view php_header_name = "x-php-originating-script";
/// Stored facts are bounded: whoever reaches the MTA chooses their lengths.
constexpr std::size_t longest_fact = 4096;
constexpr std::size_t most_recipients_kept = 100'000;
constexpr std::string_view subject_name = "subject";
constexpr std::string_view message_id_name = "message-id";
constexpr std::size_t longest_evidence = 1000;

std::string_view without_brackets(std::string_view address) {
  return address.size() >= 2 && address.front() == '<' && address.back() == '>' ? address.substr(1, address.size() - 2) : address;
}

/// As much of an address as is kept of it, and one byte more where it is cut.
std::string_view evidence(std::string_view text) { return text.substr(0, quota::PastMessage::longest_text + 1); }

void count(Counters::Counter& counter) { counter.fetch_add(1, std::memory_order_relaxed); }

bool refuses(const Verdict& verdict) { return verdict.action == Action::tempfail || verdict.action == Action::reject; }

}  // namespace

Session::Session(Services& services, Negotiated negotiated) : services_(services), negotiated_(negotiated) {
  count(services_.counters.connections);
  services_.counters.open_connections.fetch_add(1, std::memory_order_relaxed);
}

Session::~Session() {
  drop();
  services_.counters.open_connections.fetch_sub(1, std::memory_order_relaxed);
}

void Session::connect(quota::ClientFacts client) {
  reset();
  client_ = std::move(client);
}

void Session::reset() {
  if (mail_ && !mail_->is_logged) {
    count(services_.counters.abandoned);
    spdlog::info("{}", abandoned_line(mail_->envelope));
  }
  drop();
}

void Session::drop() {
  if (mail_) services_.counters.messages_in_flight.fetch_sub(1, std::memory_order_relaxed);
  mail_.reset();
}

Answer Session::mail(MailFacts facts) {
  reset();
  mail_ = std::make_unique<Mail>(Mail{services_.config(), services_.tables(), {client_, {}, {}, {}}});
  services_.counters.messages_in_flight.fetch_add(1, std::memory_order_relaxed);
  auto& envelope = mail_->envelope;
  envelope.auth_type = facts.auth_type.substr(0, longest_fact);
  envelope.auth_authen = facts.auth_authen.substr(0, longest_fact);
  envelope.mail_from = facts.from.substr(0, longest_fact);
  envelope.bytes = facts.declared_size.value_or(0);
  mail_->message.sender = mail_->policy().identify(*mail_->tables, envelope);
  if (mail_->message.sender.origin == quota::Origin::inbound) {
    count(services_.counters.by_cause[static_cast<std::size_t>(Cause::inbound)]);
    drop();
    return {Answer::What::accept, {}, {}};
  }
  note_sender();
  const auto now = services_.store.now();
  const auto verdict = foreseen(now);
  if (!verdict) return {};
  if (mail_->policy().parts().exempt.recipients.empty()) {
    auto answer = refuse_early(*verdict, "MAIL", now);
    drop();
    return answer;
  }
  mail_->refused_at_rcpt = *verdict;
  return {};
}

/// Says once what is wrong with the MTA's macros: without a login every user would be nobody.
void Session::note_sender() {
  if (mail_->message.sender.origin != quota::Origin::nameless) return;
  if (services_.counters.without_login.fetch_add(1, std::memory_order_relaxed) == 0)
    spdlog::warn(
        "a client authenticated, but the MTA sent no {auth_authen}: its mail cannot be charged to a user and is uncovered; add "
        "{auth_type} and {auth_authen} to milter_mail_macros (Postfix) or Milter.macros.envfrom (Sendmail)");
}

/// A refusal that is certain before anything is uploaded; empty where only the end of the message can tell.
std::optional<Verdict> Session::foreseen(quota::Timestamp now) {
  if (quota::is_held_not_refused(mail_->message.sender.origin)) return std::nullopt;
  const auto assessment = mail_->policy().assess(judged_message(quota::Message::Stage::at_mail), *mail_->tables, services_.tables_now());
  auto verdict = assessment.failures.empty() ? foreseen_from_memory(assessment, now)
                                             : std::optional(mail_->policy().judge(assessment, quota::Outcome{}));
  if (verdict && !refuses(*verdict)) return std::nullopt;
  return verdict;
}

std::optional<Verdict> Session::foreseen_from_memory(const quota::Assessment& assessment, quota::Timestamp now) {
  const auto at = services_.steady_now();
  for (const auto& charge : assessment.charges) {
    if (charge.group != quota::Group::enforced) continue;
    const auto answer = services_.refusals.find(charge.identity, now, at);
    if (answer.standing == RefusalMemory::Standing::unknown) continue;
    if (answer.standing == RefusalMemory::Standing::certain) {
      if (answer.failure->quota != charge.quota) continue;
      Verdict verdict;
      verdict.action = answer.failure->action;
      verdict.cause = answer.failure->cause;
      verdict.decider = answer.failure;
      if (answer.failure->is_from_share) verdict.outage = "refused a moment ago, while the store had no answer";
      return verdict;
    }
    auto verdict = ask_whether_certain();
    services_.refusals.forget(charge.identity);
    if (!verdict.decider || !verdict.decider->is_certain) return std::nullopt;
    services_.refusals.remember(*verdict.decider, mail_->message.sender, at);
    return verdict;
  }
  return std::nullopt;
}

Verdict Session::ask_whether_certain() {
  const quota::Patience patience(mail_->waited);
  return quota::foresee(mail_->policy(), *mail_->tables, services_.tables_now(), services_.store, judged_message(quota::Message::Stage::at_mail));
}

Answer Session::refuse_early(const Verdict& verdict, std::string_view stage, quota::Timestamp now) {
  auto answer = refusal(verdict.action, reply_for(verdict, mail_->policy(), mail_->config->reply, now));
  if (mail_->is_logged) return answer;
  mail_->is_logged = true;
  count(services_.counters.refused_early);
  const auto& failure = *verdict.decider;
  const auto* quota = mail_->policy().find(failure.quota);
  // The store has not seen this message, so its refusal is counted here; blocked ones, and what a share refuses, are not counted.
  if (failure.cause == Cause::over && !failure.is_from_share && quota && quota->block) services_.aftermath.refused(failure.identity, failure.quota, quota->block->window);
  log(verdict, answer, stage, "", now);
  return answer;
}

Answer Session::recipient(std::string_view address) {
  if (!mail_) return {};
  const auto& refused = mail_->refused_at_rcpt;
  if (refused && negotiated_.rcpt_is_answered && !mail_->policy().parts().exempt.covers_recipient(address))
    return refuse_early(*refused, "RCPT", services_.store.now());
  // Beyond the bound they are only counted; an empty one is exempt nowhere.
  auto& recipients = mail_->envelope.recipients;
  recipients.emplace_back(recipients.size() < most_recipients_kept ? address.substr(0, longest_fact) : "");
  return {};
}

void Session::header(std::string_view name, std::string_view value) {
  if (!mail_) return;
  mail_->seen_bytes += static_cast<std::int64_t>(name.size() + value.size() + 4);
  keep_header(name, value);
  if (name.size() != php_header_name.size() || quota::lower(name) != php_header_name) return;
  auto& envelope = mail_->envelope;
  if (envelope.php_script)
    ++envelope.php_script_repeats;
  else
    envelope.php_script = std::string(value.substr(0, longest_fact));
}

/// What the record shows of a message: the first of each.
void Session::keep_header(std::string_view name, std::string_view value) {
  const auto& settings = mail_->config->record;
  if (!settings.needs_headers()) return;
  const auto keep_first = [&](bool is_wanted, std::string_view called, std::string& into) {
    if (is_wanted && into.empty() && name.size() == called.size() && quota::lower(name) == called) into = value.substr(0, longest_evidence);
  };
  keep_first(settings.subject, subject_name, mail_->subject);
  keep_first(settings.message_id, message_id_name, mail_->message_id);
  for (const auto& wanted : settings.evidence_headers) {
    if (wanted.size() != name.size() || wanted != quota::lower(name)) continue;
    auto& kept = mail_->evidence;
    if (std::none_of(kept.begin(), kept.end(), [&](const auto& one) { return one.first == wanted; })) kept.emplace_back(wanted, value.substr(0, longest_evidence));
  }
}

void Session::body(std::size_t bytes) {
  if (mail_) mail_->seen_bytes += static_cast<std::int64_t>(bytes);
}

/// What is known of the message by now. Valid until the next call.
const quota::Message& Session::judged_message(quota::Message::Stage stage) {
  auto& message = mail_->message;
  message.stage = stage;
  message.recipients = mail_->envelope.recipients;
  message.bytes = mail_->envelope.bytes;
  return message;
}

Answer Session::end_of_message(std::string_view queue_id) {
  if (!mail_) return {};
  auto& envelope = mail_->envelope;
  const auto& policy = mail_->policy();
  // A block is obeyed within a second, also by a message that takes minutes. Who sends can only be another one than at MAIL where
  // an account map has changed or the headers name a script.
  auto tables = services_.tables();
  const bool is_known = tables == mail_->tables;
  mail_->tables = std::move(tables);
  if (negotiated_.body) envelope.bytes = std::max(envelope.bytes, mail_->seen_bytes);
  if (!is_known || envelope.php_script) mail_->message.sender = policy.identify(*mail_->tables, envelope);
  const auto now = services_.store.now();
  const bool is_unfamiliar = note_script(now);
  count_signals();
  const auto verdict = check();
  follow_up(verdict, now);
  auto answer = answer_to(verdict, queue_id, now);
  if (is_unfamiliar) tell_script();  // the last, so that its first message is in the record by then
  if (answer.what != Answer::What::quarantine) drop();
  return answer;
}

/// Returns whether the store is to be asked about its script.
bool Session::note_script(quota::Timestamp now) {
  const auto standing = services_.scripts.bound(mail_->message.sender, mail_->policy().parts().identity.max_scripts_per_uid, now);
  if (standing == ScriptRoster::Standing::beyond) count(services_.counters.scripts_over_bound);
  return standing == ScriptRoster::Standing::unfamiliar;
}

void Session::tell_script() {
  const auto& sender = mail_->message.sender;
  services_.aftermath.script_seen(*sender.find(quota::Kind::uid), sender.find(quota::Kind::script)->value, mail_->policy().parts().identity.max_scripts_per_uid);
}

Verdict Session::check() {
  const quota::Patience patience(mail_->waited);
  return quota::check(mail_->policy(), *mail_->tables, services_.tables_now(), services_.store, judged_message(quota::Message::Stage::complete));
}

void Session::count_signals() {
  auto& counters = services_.counters;
  const auto& policy = mail_->policy();
  const auto& live = *mail_->tables;
  const bool lacks_header = (policy.needs_php_header() || live.needs_php_header()) && !negotiated_.headers;
  const bool lacks_size = (policy.needs_bytes() || live.needs_bytes()) && !negotiated_.body;  // what is declared is only a promise
  if (lacks_header || lacks_size) count(counters.not_negotiated);
  if (mail_->message.sender.php_header == quota::PhpHeader::not_believed) count(counters.php_headers_ignored);
  if (mail_->message.sender.php_header == quota::PhpHeader::malformed) count(counters.php_headers_malformed);
  if (mail_->message.sender.php_evaluated) count(counters.php_evaluated);
  counters.php_headers_repeated.fetch_add(mail_->envelope.php_script_repeats, std::memory_order_relaxed);
}

void Session::follow_up(const Verdict& verdict, quota::Timestamp now) {
  for (const auto& due : verdict.blocks_due) services_.aftermath.block_due(due);
  if (verdict.decider) services_.refusals.remember(*verdict.decider, mail_->message.sender, services_.steady_now());
  if (const auto& rule = mail_->config->notify.uncovered; rule && verdict.cause == Cause::uncovered)
    services_.aftermath.uncovered(mail_->message.sender, client_.host, *rule, now);
  for (const auto& warning : verdict.warnings)
    services_.aftermath.happened({"warned", "warning", warning.identity.text(),
                                  fmt::format("{} of {} used: quota {}, {}", warning.used, warning.burst, warning.quota, warning.limit),
                                  "sendquotad", client_.host},
                                 fmt::format("warned:{}:{}", warning.quota, warning.identity.text()));
}

Answer Session::answer_to(const Verdict& verdict, std::string_view queue_id, quota::Timestamp now) {
  Answer answer;
  switch (verdict.action) {
    case Action::accept: break;
    case Action::tempfail:
    case Action::reject: answer = refusal(verdict.action, reply_for(verdict, mail_->policy(), mail_->config->reply, now)); break;
    case Action::quarantine: answer = negotiated_.can_quarantine ? held(verdict, queue_id, now) : not_held(queue_id); break;
  }
  if (answer.what == Answer::What::quarantine) {
    mail_->hold = Mail::Asked{verdict, std::string(queue_id), now};
    return answer;
  }
  auto done = verdict;
  if (answer.what == Answer::What::reject) done.action = Action::reject;      // also at the bottom of the hold queue
  if (answer.what == Answer::What::tempfail) done.action = Action::tempfail;  // also what cannot be held
  log(done, answer, "END-OF-MESSAGE", queue_id, now);
  return answer;
}

void Session::log(const Verdict& verdict, const Answer& answer, std::string_view stage, std::string_view queue_id, quota::Timestamp now) {
  auto& counters = services_.counters;
  if (answer.what != Answer::What::discard) count(counters.by_action[static_cast<std::size_t>(verdict.action)]);
  if (mail_->waited > quota::Patience::Clock::duration{}) counters.waits.add(std::chrono::floor<Durations::Microseconds>(mail_->waited));
  count(counters.by_cause[static_cast<std::size_t>(verdict.cause)]);
  if (!verdict.observed.empty()) count(counters.observed);
  if (!verdict.outage.empty()) count(verdict.cause == Cause::outage ? counters.store_errors : counters.judged_by_share);
  if (verdict.action == Action::accept) counters.recipients.fetch_add(mail_->envelope.recipients.size(), std::memory_order_relaxed);
  LogFacts facts;
  facts.queue_id = queue_id;
  facts.stage = stage;
  facts.is_size_known = mail_->envelope.bytes > 0;
  facts.is_discarded = answer.what == Answer::What::discard;
  facts.now = now;
  const auto line = log_line(facts, mail_->envelope, verdict);
  spdlog::default_logger_raw()->log(spdlog::level::info, spdlog::string_view_t(line));
  record(verdict, answer, queue_id, now);
}

/// Whatever happens here, the verdict stays.
void Session::record(const Verdict& verdict, const Answer& answer, std::string_view queue_id, quota::Timestamp now) noexcept {
  const auto& settings = mail_->config->record;
  if (!settings.is_on()) return;
  try {
    auto happening = happening_of(verdict, answer, queue_id, now);
    services_.aftermath.judged(std::move(happening));
  } catch (const std::exception&) {
    count(services_.counters.unrecorded);
  }
}

quota::Happening Session::happening_of(const Verdict& verdict, const Answer& answer, std::string_view queue_id, quota::Timestamp now) {
  const auto& settings = mail_->config->record;
  const auto& envelope = mail_->envelope;
  quota::Happening happening;
  happening.identities.reserve(mail_->message.sender.identities.size());
  for (const auto& identity : mail_->message.sender.identities)
    if (std::find(settings.per.begin(), settings.per.end(), identity.kind) != settings.per.end()) happening.identities.push_back(identity);
  auto& message = happening.message;
  message.at = now;
  message.is_discarded = answer.what == Answer::What::discard;
  message.action = message.is_discarded ? Action::reject : verdict.action;
  message.cause = verdict.cause;
  if (verdict.decider) message.quota = verdict.decider->quota;
  message.queue_id = queue_id;
  message.host = envelope.client.host;
  if (mail_->message.sender.address) message.client = mail_->message.sender.address->text();
  message.mail_from = evidence(without_brackets(envelope.mail_from));
  if (const auto* script = mail_->message.sender.find(quota::Kind::script)) message.script = script->value;
  message.recipients = static_cast<std::int64_t>(envelope.recipients.size());
  for (std::size_t i = 0; i < std::min(settings.recipients, envelope.recipients.size()); ++i)
    message.first_recipients.emplace_back(evidence(without_brackets(envelope.recipients[i])));
  if (const auto* user = mail_->message.sender.find(quota::Kind::user)) happening.login = user->value;
  if (message.action == Action::quarantine) happening.held_for = held_identity(verdict);
  message.mark = std::move(mail_->message_id);
  message.subject = std::move(mail_->subject);
  message.headers = std::move(mail_->evidence);
  return happening;
}

}  // namespace milter
