// Policy: what is only observed, and which mode holds.
#include "quota/policy.hpp"

#include <doctest/doctest.h>

#include "tests/quota/policy_rig.hpp"

namespace quota {
namespace {

using namespace policy_rig;

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

}  // namespace
}  // namespace quota
