// Policy, second half: what an answer of the store means. What is asked of it: policy_test.cpp; an outage: policy_outage_test.cpp.
#include "quota/policy.hpp"

#include <doctest/doctest.h>

#include "tests/quota/policy_rig.hpp"

namespace quota {
namespace {

using namespace policy_rig;

BlockRule block_rule() { return {3, 10min, {Milliseconds{1h}, std::nullopt}, 7 * 24h, Action::tempfail}; }

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
