#include "quota/policy.hpp"

#include <algorithm>
#include <array>

#include "quota/holding.hpp"
#include "quota/text.hpp"

namespace quota {
namespace {

bool covers(When when, Origin origin) {
  if (when == When::any) return true;
  return (when == When::local) == is_held_not_refused(origin);
}

const Identity* charged_by(const Quota& quota, const Sender& sender) {
  for (const Kind kind : quota.per)
    if (const auto* identity = sender.find(kind)) return identity;
  return nullptr;
}

std::int64_t cost_of(const Message& message, Unit unit) {
  if (unit == Unit::messages || message.stage == Message::Stage::at_mail) return 1;
  return unit == Unit::recipients ? std::ssize(message.recipients) : message.bytes;
}

bool any_covers(const std::vector<Match>& matches, const Identity* identity) {
  return identity && std::any_of(matches.begin(), matches.end(), [&](const Match& match) {
           return specificity(match, {*identity, {}, {}, {}}).has_value();
         });
}

/// Blocks and their counting would hit people who did nothing: whole domains, customers, hosts.
bool can_be_blocked(const Identity& identity) {
  return !is_shared(identity.kind) && !(identity.kind == Kind::client && identity.value.starts_with("local/"));
}

std::optional<Milliseconds> refusal_window(const Quota& quota, const Identity& identity) {
  if (!quota.block || !can_be_blocked(identity)) return std::nullopt;
  return quota.block->window;
}

/// The address that a network in `match` is compared with: a client's, an IPv6 one by its /64.
std::optional<IpAddress> address_of(const Identity& identity) {
  if (identity.kind != Kind::client) return std::nullopt;
  return IpAddress::parse(std::string_view(identity.value).substr(0, identity.value.find('/')));
}

Failure block_failure(const Identity& identity, const Block& block) {
  Failure failure;
  failure.cause = Cause::blocked;
  failure.action = block.action;
  failure.identity = identity;
  failure.quota = block.quota;
  failure.retry_at = block.until;
  failure.reason = block.reason;
  failure.is_certain = true;
  return failure;
}

Failure outright(Cause cause, const Quota& quota, const Identity& identity) {
  Failure failure;
  failure.cause = cause;
  failure.action = quota.action;
  failure.identity = identity;
  failure.quota = quota.name;
  return failure;
}

Failure bucket_failure(const Quota& quota, const Charge& charge) {
  auto failure = outright(Cause::too_big, quota, charge.identity);
  failure.limit = format(charge.limit);
  failure.unit = charge.limit.unit;
  failure.burst = charge.limit.burst;
  failure.cost = charge.cost;
  return failure;
}

/// The failure of a charge that the store was asked for; empty where it held.
std::optional<Failure> failure_of(const Quota& quota, const Charge& charge, const Taken& taken, Timestamp now) {
  const auto wait = retry_after(charge.limit, taken, charge.cost);
  if (wait == Milliseconds{0}) return std::nullopt;
  auto failure = bucket_failure(quota, charge);
  failure.cause = wait ? Cause::over : Cause::too_big;
  failure.used = used_units(taken.bucket);
  if (wait) failure.retry_at = now + *wait;
  const auto smallest = retry_after(charge.limit, taken, 1);
  failure.is_certain = smallest != Milliseconds{0};
  if (failure.is_certain && smallest) failure.smallest_at = now + *smallest;
  failure.is_from_share = taken.is_from_share();
  // A share's debt is counted as often as there are nodes: nobody has used that much.
  if (failure.is_from_share) failure.used = std::min(failure.used, failure.burst);
  return failure;
}

/// Of two failures the more severe decides; of equal ones the one that lasts longer, so that a promised time is kept.
bool decides_over(const Failure& a, const Failure& b) {
  if (a.action != b.action) return a.action > b.action;
  const auto end = [](const Failure& f) { return f.retry_at.value_or(Timestamp::max()); };
  return end(a) > end(b);
}

void add_block_due(Verdict& verdict, const Quota& quota, const Charge& charge, const Taken& taken) {
  if (!quota.block || !charge.refusal_window || taken.refusals < quota.block->refusals) return;
  const BlockDue due{charge.identity, quota.name, taken.refusals};
  if (std::find(verdict.blocks_due.begin(), verdict.blocks_due.end(), due) == verdict.blocks_due.end())
    verdict.blocks_due.push_back(due);
}

/// A share knows only this node's part of what is used: it warns of nothing.
void add_warning(Verdict& verdict, const Quota& quota, const Charge& charge, const Taken& taken) {
  if (!quota.warn_at || taken.is_from_share()) return;
  const auto& before = taken.bucket;
  const auto mark = charge.limit.burst * *quota.warn_at;
  const auto after = used_units(spent(before, charge.cost));
  if (used_units(before) * 100 >= mark || after * 100 < mark) return;
  verdict.warnings.push_back({charge.identity, quota.name, format(charge.limit), after, charge.limit.burst});
}

}  // namespace

const Quota* Policy::find(std::string_view quota) const {
  const auto found = std::find_if(parts_.quotas.begin(), parts_.quotas.end(), [&](const Quota& one) { return one.name == quota; });
  return found == parts_.quotas.end() ? nullptr : &*found;
}

Sender Policy::identify(const Tables& tables, const Envelope& envelope) const {
  const std::array accounts{&tables.accounts, &parts_.accounts};
  return quota::identify(parts_.identity, accounts, envelope);
}

bool Policy::has_exempt_client(const Message& message) const {
  const auto& exempt = parts_.exempt;
  if (any_covers(exempt.users, message.sender.find(Kind::user))) return true;
  const auto& address = message.sender.address;
  return address && std::any_of(exempt.clients.begin(), exempt.clients.end(), [&](const Network& one) { return one.contains(*address); });
}

bool Policy::has_only_exempt_recipients(const Message& message) const {
  if (parts_.exempt.recipients.empty() || message.recipients.empty()) return false;
  return std::all_of(message.recipients.begin(), message.recipients.end(),
                     [&](const std::string& one) { return parts_.exempt.covers_recipient(one); });
}

const OverrideRule* Policy::closest_override(const Quota& quota, const Identity& identity, const Tables& tables) const {
  if (quota.overrides.empty()) return nullptr;
  const std::array accounts{&tables.accounts, &parts_.accounts};
  const auto* account = account_of(accounts, identity);
  const std::string owner = identity.kind == Kind::account ? identity.value : account ? account->name : "";
  MatchSubject subject{identity, address_of(identity), owner, account ? std::string_view(account->plan) : ""};
  // A plan is the customer's: whichever entry of the account names it.
  for (const auto* map : accounts)
    if (subject.plan.empty()) subject.plan = map->plan_of(owner);
  const OverrideRule* best = nullptr;
  std::optional<int> best_specificity;
  for (const auto& rule : quota.overrides)
    for (const auto& match : rule.match)
      if (const auto found = specificity(match, subject); found && (!best_specificity || *found > *best_specificity)) {
        best = &rule;
        best_specificity = found;
      }
  return best;
}

Policy::Grant Policy::granted(const Quota& quota, const Identity& identity, const Tables& tables, Timestamp now) const {
  auto grant = overriding(quota, identity, tables, now);
  return grant ? std::move(*grant) : Grant{quota.limits, Grant::Source::quota};
}

std::optional<Policy::Grant> Policy::overriding(const Quota& quota, const Identity& identity, const Tables& tables, Timestamp now) const {
  std::optional<Grant> grant;
  const auto* rule = closest_override(quota, identity, tables);
  if (rule && rule->limits.kind != Allowance::Kind::inherit)
    grant = {overridden(quota.limits, rule->limits), Grant::Source::config_override};
  const auto* live = tables.find_override(identity, quota.name, now);
  if (live && live->kind != Allowance::Kind::inherit)
    grant = {overridden(grant ? grant->allowance : quota.limits, *live), Grant::Source::live_override};
  return grant;
}

Mode Policy::mode_of(const Quota& quota, const Tables& tables, Timestamp now) const {
  return tables.mode(now).value_or(parts_.mode) == Mode::observe ? Mode::observe : quota.mode;
}

Mode Policy::mode_of(const Block& block, const Tables& tables, Timestamp now) const {
  if (block.is_by_hand()) return Mode::enforce;
  const auto* quota = find(block.quota);
  return quota ? mode_of(*quota, tables, now) : tables.mode(now).value_or(parts_.mode);
}

void Policy::assess_blocks(Assessment& into, const Sender& sender, const Tables& tables, Timestamp now) const {
  for (const auto& identity : sender.identities) {
    const auto* block = tables.find_block(identity, now);
    if (!block) continue;
    auto& failures = mode_of(*block, tables, now) == Mode::observe ? into.observed : into.failures;
    failures.push_back(block_failure(identity, *block));
  }
  if (!into.failures.empty()) into.cause = Cause::blocked;
}

Assessment Policy::assess(const Message& message, const Tables& tables, Timestamp now) const {
  Assessment assessment;
  assessment.origin = message.sender.origin;
  if (message.sender.origin == Origin::inbound) {
    assessment.cause = Cause::inbound;
    return assessment;
  }
  const bool to_exempt = has_only_exempt_recipients(message);
  if (!to_exempt) assess_blocks(assessment, message.sender, tables, now);
  if (assessment.cause == Cause::within && (to_exempt || has_exempt_client(message))) assessment.cause = Cause::exempt;
  if (assessment.cause != Cause::within) return assessment;
  assessment.cause = Cause::uncovered;
  for (const auto& quota : parts_.quotas) assess_quota(assessment, quota, message, tables, now);
  // All observed charges are one group: where one part of it fails already, enforcing would have taken none.
  if (!assessment.observed.empty()) std::erase_if(assessment.charges, [](const Charge& charge) { return charge.group == Group::observed; });
  return assessment;
}

void Policy::assess_quota(Assessment& into, const Quota& quota, const Message& message, const Tables& tables, Timestamp now) const {
  const auto* identity = covers(quota.when, into.origin) ? charged_by(quota, message.sender) : nullptr;
  if (!identity) return;
  into.cause = Cause::within;
  const bool by_sender = identity->kind == Kind::sender || identity->kind == Kind::sender_domain;
  if (by_sender && any_covers(parts_.exempt.senders, message.sender.find(Kind::sender))) return;
  const auto grant = overriding(quota, *identity, tables, now);
  const auto& allowance = grant ? grant->allowance : quota.limits;
  if (allowance.kind == Allowance::Kind::unlimited) return;
  const bool enforced = mode_of(quota, tables, now) == Mode::enforce;
  auto& failures = enforced ? into.failures : into.observed;
  if (allowance.kind == Allowance::Kind::none) {
    failures.push_back(outright(Cause::nothing_allowed, quota, *identity));
    failures.back().limit = format(allowance);
    failures.back().is_certain = true;
    return;
  }
  if (allowance.recipients_per_message && std::ssize(message.recipients) > *allowance.recipients_per_message) {
    auto failure = outright(Cause::too_big, quota, *identity);
    failure.unit = Unit::recipients;
    failure.burst = *allowance.recipients_per_message;
    failure.cost = std::ssize(message.recipients);
    failure.limit = std::to_string(failure.burst) + " recipients / message";
    failures.push_back(std::move(failure));
  }
  for (const auto& limit : allowance.limits) {
    into.charges.push_back({*identity, quota.name, limit, cost_of(message, limit.unit), enforced ? Group::enforced : Group::observed,
                            enforced ? refusal_window(quota, *identity) : std::nullopt});
  }
}

Action Policy::action_on(const Failure& failure, Origin origin) const {
  const bool permanent = failure.cause == Cause::too_big || failure.cause == Cause::nothing_allowed;
  const auto wanted = permanent ? Action::reject : failure.action;
  // What a share refuses is asked again when the store is back.
  if (failure.is_from_share && wanted == Action::reject) return is_held_not_refused(origin) ? Action::quarantine : Action::tempfail;
  if (!is_held_not_refused(origin)) return wanted;
  // A local message cannot be tempfailed, and a reject there bounces to whomever a script named: only a quota made for
  // local mail may say so.
  const auto* quota = failure.cause == Cause::blocked ? nullptr : find(failure.quota);
  return quota && quota->when == When::local && failure.action == Action::reject ? Action::reject : Action::quarantine;
}

Verdict Policy::judge(const Assessment& assessment, const Outcome& outcome) const {
  Verdict verdict;
  verdict.cause = assessment.cause;
  verdict.observed = assessment.observed;
  verdict.outage = outcome.outage;
  auto failures = assessment.failures;
  for (std::size_t i = 0; i < outcome.charges.size(); ++i) {
    const auto& charge = assessment.charges[i];
    const auto& taken = outcome.charges[i];
    const auto& quota = *find(charge.quota);
    auto failure = failure_of(quota, charge, taken, outcome.now);
    if (failure && charge.group == Group::enforced) {
      add_block_due(verdict, quota, charge, taken);
      failures.push_back(std::move(*failure));
    } else if (failure) {
      verdict.observed.push_back(std::move(*failure));
    } else if (charge.group == Group::enforced ? outcome.enforced_taken : outcome.observed_taken) {
      add_warning(verdict, quota, charge, taken);
    }
  }
  for (auto* list : {&failures, &verdict.observed})
    for (auto& failure : *list) failure.action = action_on(failure, assessment.origin);
  const auto decider = std::min_element(failures.begin(), failures.end(), decides_over);
  if (decider == failures.end()) return verdict;
  verdict.action = decider->action;
  verdict.cause = decider->cause;
  verdict.decider = *decider;
  return verdict;
}

Verdict Policy::judge_outage(const Assessment& assessment, const StoreError& error) const {
  auto verdict = judge(assessment, {});
  if (assessment.to_take().empty()) return verdict;
  verdict.cause = Cause::outage;
  verdict.outage = error.text;
  const bool enforced = std::any_of(assessment.charges.begin(), assessment.charges.end(),
                                    [](const Charge& charge) { return charge.group == Group::enforced; });
  if (enforced && parts_.on_failure == OnFailure::tempfail)
    verdict.action = is_held_not_refused(assessment.origin) ? Action::quarantine : Action::tempfail;
  return verdict;
}

bool Policy::needs_php_header() const {
  // An account may own the uid that the header names.
  const auto from_header = [](Kind kind) { return kind == Kind::script || kind == Kind::uid || kind == Kind::account; };
  return std::any_of(parts_.quotas.begin(), parts_.quotas.end(),
                     [&](const Quota& quota) { return std::any_of(quota.per.begin(), quota.per.end(), from_header); });
}

bool Policy::needs_bytes() const {
  const auto has_bytes = [](const Allowance& allowance) {
    return std::any_of(allowance.limits.begin(), allowance.limits.end(), [](const Limit& limit) { return limit.unit == Unit::bytes; });
  };
  return std::any_of(parts_.quotas.begin(), parts_.quotas.end(), [&](const Quota& quota) {
    return has_bytes(quota.limits) ||
           std::any_of(quota.overrides.begin(), quota.overrides.end(), [&](const OverrideRule& rule) { return has_bytes(rule.limits); });
  });
}

}  // namespace quota
