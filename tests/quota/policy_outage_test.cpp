// Policy: what is decided without an answer of the store, and by a share of the limits.
#include "quota/policy.hpp"

#include <doctest/doctest.h>

#include "tests/quota/policy_rig.hpp"

namespace quota {
namespace {

using namespace policy_rig;

/// What a share of one in `nodes` answers for everything where `used` is used of it.
Outcome share_answer(const Assessment& assessment, std::int64_t used, std::int64_t nodes) {
  auto outcome = answer(assessment, used);
  for (auto& taken : outcome.charges) taken.nodes = nodes;
  outcome.enforced_taken = outcome.observed_taken = false;
  outcome.outage = "no answer in 100ms";
  return outcome;
}

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

}  // namespace
}  // namespace quota
