// Policy, second half: what an answer of the store means. What is asked of it: policy_test.cpp.
#include "quota/policy.hpp"

#include <doctest/doctest.h>

#include "tests/support/example_policy.hpp"

namespace quota {
namespace {

using namespace std::chrono_literals;

const Timestamp now = example_now;
const Identity alice{Kind::user, "alice@example.com"};

Quota mailbox(std::string_view limits = "250 messages / 15m") { return quota_of("mailbox", {Kind::user}, limits); }

BlockRule block_rule() { return {3, 10min, {Milliseconds{1h}, std::nullopt}, 7 * 24h, Action::tempfail}; }

std::string charged(const Policy& policy, const Message& message, const Tables& tables = {}) {
  return text(policy.assess(message, tables, now).charges);
}

TEST_CASE("what a failing limit means, by submission, `when` and action") {
  struct {
    When when;
    Action action, smtp, local;
  } const rows[] = {
      {When::any, Action::tempfail, Action::tempfail, Action::quarantine},
      {When::any, Action::reject, Action::reject, Action::quarantine},
      {When::any, Action::quarantine, Action::quarantine, Action::quarantine},
      {When::smtp, Action::tempfail, Action::tempfail, Action::accept},
      {When::smtp, Action::reject, Action::reject, Action::accept},
      {When::smtp, Action::quarantine, Action::quarantine, Action::accept},
      {When::local, Action::tempfail, Action::accept,
       Action::quarantine},  // refused by the configuration; held, were it not
      {When::local, Action::reject, Action::accept, Action::reject},
      {When::local, Action::quarantine, Action::accept, Action::quarantine},
  };
  for (const auto& row : rows) {
    CAPTURE(name(row.when));
    CAPTURE(name(row.action));
    auto quota = quota_of("all", {Kind::everyone}, "5 messages / 1h");
    quota.when = row.when;
    quota.action = row.action;
    const Policy policy(example_parts({quota}));
    ExampleMessage network, nameless, relay, local;
    nameless.envelope.auth_authen = "";
    CHECK(judged(policy, ExampleMessage().as(policy), {}, 5).action == row.smtp);
    CHECK(judged(policy, nameless.as(policy), {}, 5).action == row.smtp);
    CHECK(judged(policy, network.from_client("198.51.100.7").as(policy), {}, 5).action == row.smtp);
    CHECK(judged(policy, relay.from_client("198.51.100.25").as(policy), {}, 5).action == row.local);
    CHECK(judged(policy, local.locally().as(policy), {}, 5).action == row.local);
    CHECK(judged(policy, local.as(policy), {}, 4).action == Action::accept);
  }
}

TEST_CASE("a refusal tells limit, use, cost and when to come back") {
  const Policy policy(example_parts({mailbox("250 messages / 15m, 2000 recipients / 1d burst 500")}));
  ExampleMessage message;
  const auto assessment = policy.assess(message.to(10).as(policy), {}, now);
  Outcome outcome{now, false, false, {{{250, 0, 250, 250, now}, 0}, {{495, 0, 2000, 500, now}, 0}}};
  const auto verdict = policy.judge(assessment, outcome);
  CHECK(verdict.action == Action::tempfail);
  CHECK(verdict.cause == Cause::over);
  REQUIRE(verdict.decider);
  // Five recipients come back in 216 s, one message in 3.6 s: the promise that can be kept is the later one.
  Failure want;
  want.cause = Cause::over;
  want.action = Action::tempfail;
  want.identity = alice;
  want.quota = "mailbox";
  want.limit = "2000 recipients / 1d burst 500";
  want.unit = Unit::recipients;
  want.used = 495;
  want.burst = 500;
  want.cost = 10;
  want.retry_at = now + 216s;
  want.is_certain = false;  // a message to one would fit
  CHECK(*verdict.decider == want);
}

TEST_CASE("a message that can never fit is refused for good over SMTP and held locally, whatever the action") {
  for (const auto action : {Action::tempfail, Action::reject, Action::quarantine}) {
    CAPTURE(name(action));
    auto bucket = quota_of("all", {Kind::everyone}, "10 recipients / 1h");
    auto bound = quota_of("all", {Kind::everyone}, "10 recipients / message");
    auto nothing = quota_of("all", {Kind::everyone}, "none");
    for (auto* quota : {&bucket, &bound, &nothing}) {
      quota->action = action;
      const Policy policy(example_parts({*quota}));
      ExampleMessage smtp, local;
      const auto verdict = judged(policy, smtp.to(11).as(policy));
      CHECK(verdict.action == Action::reject);
      CHECK(verdict.cause == (quota == &nothing ? Cause::nothing_allowed : Cause::too_big));
      REQUIRE(verdict.decider);
      CHECK(!verdict.decider->retry_at);
      CHECK(judged(policy, local.locally().to(11).as(policy)).action == Action::quarantine);
      if (quota != &nothing) CHECK(judged(policy, smtp.to(10).as(policy)).action == Action::accept);
    }
  }
}

TEST_CASE("a bound on one message tells what was asked and what is allowed, and charges nothing") {
  const Policy policy(example_parts(
      {mailbox("250 messages / 15m, 300 recipients / message"), quota_of("all", {Kind::everyone}, "9 messages / 1h")}));
  ExampleMessage message;
  const auto assessment = policy.assess(message.to(301).as(policy), {}, now);
  CHECK(assessment.to_take().empty());
  const auto verdict = policy.judge(assessment, {});
  REQUIRE(verdict.decider);
  CHECK(verdict.decider->limit == "300 recipients / message");
  CHECK(verdict.decider->cost == 301);
  CHECK(verdict.decider->burst == 300);
  CHECK(verdict.decider->unit == Unit::recipients);
  CHECK(!verdict.decider->is_certain);
  CHECK(!policy.assess(message.to(300).as(policy), {}, now).to_take().empty());
}

TEST_CASE("of several failures the most severe decides, then the one that lasts longest") {
  struct {
    Action first, second;
    const char* first_limit;
    const char* second_limit;
    const char* want;
  } const rows[] = {
      {Action::tempfail, Action::reject, "5 messages / 1d", "5 messages / 1h", "second"},
      {Action::reject, Action::tempfail, "5 messages / 1h", "5 messages / 1d", "first"},
      {Action::quarantine, Action::tempfail, "5 messages / 1d", "5 messages / 1h", "second"},
      {Action::tempfail, Action::tempfail, "5 messages / 1d", "5 messages / 1h", "first"},
      {Action::tempfail, Action::tempfail, "5 messages / 1h", "5 messages / 1d", "second"},
      {Action::tempfail, Action::tempfail, "5 messages / 1d", "3 recipients / 1h", "second"},  // can never fit: a 5xx
  };
  for (const auto& row : rows) {
    CAPTURE(row.first_limit);
    CAPTURE(row.second_limit);
    auto first = quota_of("first", {Kind::user}, row.first_limit),
         second = quota_of("second", {Kind::everyone}, row.second_limit);
    first.action = row.first;
    second.action = row.second;
    const Policy policy(example_parts({first, second}));
    ExampleMessage message;
    const auto verdict = judged(policy, message.to(4).as(policy), {}, 5);
    REQUIRE(verdict.decider);
    CHECK(verdict.decider->quota == row.want);
  }
}

TEST_CASE("only an empty bucket is a certain refusal") {
  const Policy policy(example_parts({mailbox("5 recipients / 1h")}));
  ExampleMessage message;
  CHECK(judged(policy, message.to(3).as(policy), {}, 3).decider->is_certain == false);
  CHECK(judged(policy, message.to(3).as(policy), {}, 5).decider->is_certain);
}

TEST_CASE("a message warns once, when it takes a bucket past the mark") {
  auto quota = mailbox("250 messages / 15m, 100 recipients / 1d");
  quota.warn_at = 80;
  const Policy policy(example_parts({quota}));
  ExampleMessage message;
  const auto warnings = [&](std::int64_t messages_used, std::int64_t remainder, std::int64_t recipients_used) {
    const auto assessment = policy.assess(message.to(10).as(policy), {}, now);
    const bool held = recipients_used + 10 <= 100;
    const Taken messages{{messages_used, remainder, 250, 250, now}, 0},
        recipients{{recipients_used, 0, 100, 100, now}, 0};
    return policy.judge(assessment, {now, held, held, {messages, recipients}}).warnings;
  };
  CHECK(warnings(198, 0, 0).empty());
  CHECK(warnings(199, 0, 0) == std::vector<Warning>{{alice, "mailbox", "250 messages / 15m", 200, 250}});
  CHECK(warnings(198, 1, 0).size() == 1);  // a part is shown as one: 199 before, 200 after
  CHECK(warnings(199, 1, 0).empty());      // shown as 200 already
  CHECK(warnings(200, 0, 0).empty());
  CHECK(warnings(0, 0, 70).size() == 1);
  CHECK(warnings(199, 0, 79).size() == 2);
  CHECK(warnings(199, 0, 95).empty());  // refused: nothing was taken
}

TEST_CASE("whoever reaches the count of refusals is to be blocked, once for all limits of the quota") {
  auto quota = mailbox("5 messages / 1h, 5 recipients / 1d");
  quota.block = block_rule();
  const Policy policy(example_parts({quota}));
  const auto assessment = policy.assess(ExampleMessage().as(policy), {}, now);
  REQUIRE(assessment.charges.size() == 2);
  for (const auto& charge : assessment.charges) CHECK(charge.refusal_window == 10min);
  const auto due = [&](std::int64_t refusals) {
    return policy.judge(assessment, {now, false, false, {{{5, 0, 5, 5, now}, refusals}, {{5, 0, 5, 5, now}, refusals}}})
        .blocks_due;
  };
  CHECK(due(2).empty());
  CHECK(due(3) == std::vector<BlockDue>{{alice, "mailbox", 3}});
  CHECK(due(4) == std::vector<BlockDue>{{alice, "mailbox", 4}});  // in case the third got lost
}

TEST_CASE("refusals are counted only where they can lead to a block that hits the right one") {
  const auto window_of = [](Kind kind, Mode mode, bool with_block, bool local) {
    auto quota = quota_of("q", {kind}, "5 messages / 1h");
    quota.mode = mode;
    if (with_block) quota.block = block_rule();
    auto parts = example_parts({quota});
    parts.accounts.set({Kind::user_domain, "example.com"}, {"acme", ""});
    const Policy policy(std::move(parts));
    ExampleMessage message;
    if (local) message.locally();
    return policy.assess(message.as(policy), {}, now).charges.at(0).refusal_window.has_value();
  };
  for (const Kind kind : {Kind::user, Kind::sender, Kind::client}) CHECK(window_of(kind, Mode::enforce, true, false));
  for (const Kind kind : {Kind::script, Kind::uid}) CHECK(window_of(kind, Mode::enforce, true, true));
  for (const Kind kind : {Kind::user_domain, Kind::sender_domain, Kind::account, Kind::everyone})
    CHECK(!window_of(kind, Mode::enforce, true, false));
  CHECK(!window_of(Kind::client, Mode::enforce, true, true));  // client:local/host is everybody on the host
  CHECK(!window_of(Kind::user, Mode::observe, true, false));
  CHECK(!window_of(Kind::user, Mode::enforce, false, false));
}

// ---- observing

TEST_CASE("an observed quota is charged as a group of its own, says what it would have done and stops nothing") {
  auto observed = quota_of("trial", {Kind::user}, "5 messages / 1h");
  observed.mode = Mode::observe;
  observed.action = Action::reject;
  const Policy policy(example_parts({mailbox(), observed}));
  const auto assessment = policy.assess(ExampleMessage().as(policy), {}, now);
  CHECK(text(assessment.charges) ==
        "user:alice@example.com mailbox messages/15m 1, user:alice@example.com trial messages/1h 1 (observed)");
  const auto verdict = judged(policy, ExampleMessage().as(policy), {}, 5);
  CHECK(verdict.action == Action::accept);
  CHECK(verdict.cause == Cause::within);
  CHECK(!verdict.decider);
  REQUIRE(verdict.observed.size() == 1);
  CHECK(verdict.observed[0].quota == "trial");
  CHECK(verdict.observed[0].action == Action::reject);
  CHECK(verdict.observed[0].retry_at == now + 12min);
}

TEST_CASE("where an observed quota fails without the store, the observed group is not charged") {
  auto nothing = quota_of("trial", {Kind::user}, "none"), bucket = quota_of("other", {Kind::user}, "5 messages / 1h");
  nothing.mode = bucket.mode = Mode::observe;
  const Policy policy(example_parts({mailbox(), bucket, nothing}));
  CHECK(charged(policy, ExampleMessage().as(policy)) == "user:alice@example.com mailbox messages/15m 1");
  const auto verdict = judged(policy, ExampleMessage().as(policy));
  CHECK(verdict.action == Action::accept);
  REQUIRE(verdict.observed.size() == 1);
  CHECK(verdict.observed[0].cause == Cause::nothing_allowed);
}

TEST_CASE("the mode of a quota is observe where anything says so, and the live switch outdoes the configured one") {
  struct {
    Mode configured, quota;
    const char* live;
    Mode want;
  } const rows[] = {
      {Mode::enforce, Mode::enforce, "", Mode::enforce},
      {Mode::enforce, Mode::observe, "", Mode::observe},
      {Mode::observe, Mode::enforce, "", Mode::observe},
      {Mode::observe, Mode::enforce, "enforce", Mode::enforce},
      {Mode::observe, Mode::observe, "enforce", Mode::observe},
      {Mode::enforce, Mode::enforce, "observe", Mode::observe},
  };
  for (const auto& row : rows) {
    auto quota = mailbox();
    quota.mode = row.quota;
    auto parts = example_parts({quota});
    parts.mode = row.configured;
    const Policy policy(std::move(parts));
    Tables tables;
    if (*row.live) override_live(tables, "* *", row.live);
    CHECK(policy.mode_of(policy.parts().quotas[0], tables, now) == row.want);
    CHECK((policy.assess(ExampleMessage().as(policy), tables, now).charges.at(0).group == Group::enforced) ==
          (row.want == Mode::enforce));
  }
}

// ---- outage

TEST_CASE("without an answer of the store on_failure decides, and local mail is held rather than tempfailed") {
  struct {
    OnFailure on_failure;
    Action smtp, local;
  } const rows[] = {{OnFailure::local, Action::accept, Action::accept},
                    {OnFailure::accept, Action::accept, Action::accept},
                    {OnFailure::tempfail, Action::tempfail, Action::quarantine}};
  for (const auto& row : rows) {
    CAPTURE(name(row.on_failure));
    auto parts = example_parts({quota_of("all", {Kind::everyone}, "5 messages / 1h")});
    parts.on_failure = row.on_failure;
    const Policy policy(std::move(parts));
    const StoreError error{StoreErrorKind::timed_out, Executed::possibly, "no answer in 100ms"};
    ExampleMessage smtp, local, relay;
    const auto outage = [&](const ExampleMessage& message) {
      return policy.judge_outage(policy.assess(message.as(policy), {}, now), error);
    };
    CHECK(outage(smtp).action == row.smtp);
    CHECK(outage(smtp).cause == Cause::outage);
    CHECK(outage(smtp).outage == "no answer in 100ms");
    CHECK(outage(local.locally()).action == row.local);
    CHECK(outage(relay.from_client("198.51.100.25")).action == row.local);
  }
}

TEST_CASE("an outage stops nothing that is only observed, and excuses nothing that fails without the store") {
  auto quota = mailbox();
  quota.mode = Mode::observe;
  auto parts = example_parts({quota});
  parts.on_failure = OnFailure::tempfail;
  const Policy observing(parts);
  CHECK(observing.judge_outage(observing.assess(ExampleMessage().as(observing), {}, now), {}).action == Action::accept);
  parts.quotas = {mailbox("none")};
  parts.on_failure = OnFailure::accept;
  const Policy refusing(parts);
  CHECK(refusing.judge_outage(refusing.assess(ExampleMessage().as(refusing), {}, now), {}).action == Action::reject);
}

// ---- shares

/// What a share of one in `nodes` answers for everything where `used` is used of it.
Outcome share_answer(const Assessment& assessment, std::int64_t used, std::int64_t nodes) {
  auto outcome = answer(assessment, used);
  for (auto& taken : outcome.charges) taken.nodes = nodes;
  outcome.enforced_taken = outcome.observed_taken = false;
  outcome.outage = "no answer in 100ms";
  return outcome;
}

TEST_CASE("a share never says no for good: what would be rejected is tempfailed, and held where it cannot be") {
  struct {
    When when;
    Action action;
    std::string_view limits;
    std::size_t recipients;
    Action smtp, local;
    Cause cause;
  } const rows[] = {
      {When::any, Action::tempfail, "5 messages / 1h", 1, Action::tempfail, Action::quarantine, Cause::over},
      {When::any, Action::reject, "5 messages / 1h", 1, Action::tempfail, Action::quarantine, Cause::over},
      {When::any, Action::quarantine, "5 messages / 1h", 1, Action::quarantine, Action::quarantine, Cause::over},
      {When::local, Action::reject, "5 messages / 1h", 1, Action::accept, Action::quarantine, Cause::over},
      {When::any, Action::tempfail, "5 recipients / 1h", 6, Action::tempfail, Action::quarantine, Cause::too_big},
      // A bound needs no store: it is no share that says so.
      {When::any, Action::tempfail, "5 recipients / message", 6, Action::reject, Action::quarantine, Cause::too_big},
  };
  for (const auto& row : rows) {
    CAPTURE(row.limits);
    CAPTURE(name(row.action));
    auto quota = quota_of("all", {Kind::everyone}, row.limits);
    quota.when = row.when;
    quota.action = row.action;
    const Policy policy(example_parts({quota}));
    ExampleMessage smtp, local;
    const auto judge = [&](const ExampleMessage& message) {
      const auto assessment = policy.assess(message.as(policy), {}, now);
      return policy.judge(assessment, share_answer(assessment, 5, 4));
    };
    CHECK(judge(smtp.to(row.recipients)).action == row.smtp);
    CHECK(judge(local.locally().to(row.recipients)).action == row.local);
    if (row.smtp != Action::accept) CHECK(judge(smtp).cause == row.cause);
  }
}

TEST_CASE("a verdict tells that a share judged, and what is counted there leads to no warning") {
  auto quota = mailbox("100 messages / 1h");
  quota.warn_at = 80;
  const Policy policy(example_parts({quota}));
  ExampleMessage message;
  const auto assessment = policy.assess(message.as(policy), {}, now);
  auto outcome = share_answer(assessment, 79, 4);
  outcome.enforced_taken = outcome.observed_taken = true;
  const auto within = policy.judge(assessment, outcome);
  CHECK(within.action == Action::accept);
  CHECK(within.cause == Cause::within);
  CHECK(within.outage == "no answer in 100ms");
  CHECK(within.warnings.empty());

  // In debt by one that was larger than the share: it counts four times there, and nobody has used 130 of 100.
  outcome = share_answer(assessment, 100, 4);
  outcome.charges[0].bucket.used = 130;
  const auto over = policy.judge(assessment, outcome);
  REQUIRE(over.decider);
  CHECK(over.decider->is_from_share);
  CHECK(over.decider->is_certain);
  CHECK(over.decider->used == 100);
  CHECK(over.decider->retry_at == now + 34 * 36s);  // 30 of debt, and 4 for one message
  CHECK(over.outage == "no answer in 100ms");
}

// ---- what must be negotiated

TEST_CASE("header and size are needed only where a quota asks for them") {
  const auto policy = [](std::vector<Kind> per, std::string_view limits) {
    return Policy(example_parts({quota_of("q", std::move(per), limits)}));
  };
  CHECK(!policy({Kind::user}, "1 messages / 1d").needs_php_header());
  CHECK(policy({Kind::sender, Kind::script}, "1 messages / 1d").needs_php_header());
  CHECK(policy({Kind::uid}, "1 messages / 1d").needs_php_header());
  CHECK(policy({Kind::account}, "1 messages / 1d").needs_php_header());  // a uid may belong to one
  CHECK(!policy({Kind::user}, "1 recipients / message").needs_bytes());
  CHECK(policy({Kind::user}, "1 messages / 1d, 1MB / 1d").needs_bytes());
  auto quota = mailbox();
  quota.overrides.push_back({{must(parse_match("@example.com"))}, must(parse_allowance("1MB / 1d"))});
  CHECK(Policy(example_parts({quota})).needs_bytes());
}

}  // namespace
}  // namespace quota
