#include "quota/check.hpp"

#include <doctest/doctest.h>

#include "quota/time_text.hpp"
#include "tests/support/example_policy.hpp"
#include "tests/support/scripted_store.hpp"

namespace quota {
namespace {

using namespace std::chrono_literals;

Quota mailbox() {
  auto quota = quota_of("mailbox", {Kind::user}, "3 messages / 1h");
  quota.block = BlockRule{3, 10min, {Milliseconds{1h}}, 24h, Action::tempfail};
  return quota;
}

TEST_CASE("a login sends its burst, is refused the next one, and is let through again at the promised moment") {
  const Policy policy(example_parts({mailbox()}));
  ScriptedStore store(example_now);
  const ExampleMessage mail;
  const auto message = mail.as(policy);
  for (int i = 0; i < 3; ++i) CHECK(check(policy, {}, store.now(), store, message).action == Action::accept);
  const auto refused = check(policy, {}, store.now(), store, message);
  CHECK(refused.action == Action::tempfail);
  REQUIRE(refused.decider);
  CHECK(refused.decider->used == 3);
  CHECK(refused.decider->retry_at == example_now + 20min);
  store.now_ = *refused.decider->retry_at - 1ms;
  CHECK(check(policy, {}, store.now(), store, message).action == Action::tempfail);
  store.now_ += 1ms;
  CHECK(check(policy, {}, store.now(), store, message).action == Action::accept);
}

TEST_CASE("a message is charged to all of its quotas or to none") {
  const Policy policy(example_parts({mailbox(), quota_of("all", {Kind::everyone}, "2 messages / 1h")}));
  ScriptedStore store(example_now);
  const ExampleMessage mail;
  for (int i = 0; i < 4; ++i) static_cast<void>(check(policy, {}, store.now(), store, mail.as(policy)));
  CHECK(store.used("everyone:all all messages/1h") == 2);
  CHECK(store.used("user:alice@example.com mailbox messages/1h") == 2);
}

TEST_CASE("the store is not asked about mail that is inbound, exempt, uncovered or fails already") {
  auto parts = example_parts({mailbox(), quota_of("many", {Kind::user}, "5 recipients / message")});
  parts.exempt.users = {must(parse_match("root@example.com"))};
  const Policy policy(std::move(parts));
  ScriptedStore store(example_now);
  store.error = StoreError{StoreErrorKind::unreachable, Executed::no, "away"};
  Tables blocked;
  block(blocked, "alice@example.com", "stolen");
  ExampleMessage inbound, exempt, uncovered, too_big, of_blocked;
  inbound.from_client("203.0.113.9");
  exempt.envelope.auth_authen = "root";
  uncovered.from_client("198.51.100.7");
  too_big.to(6);
  CHECK(check(policy, {}, store.now(), store, inbound.as(policy)).cause == Cause::inbound);
  CHECK(check(policy, {}, store.now(), store, exempt.as(policy)).cause == Cause::exempt);
  CHECK(check(policy, {}, store.now(), store, uncovered.as(policy)).cause == Cause::uncovered);
  CHECK(check(policy, {}, store.now(), store, too_big.as(policy)).cause == Cause::too_big);
  // A blocked sender stays blocked while the store is away.
  CHECK(check(policy, blocked, store.now(), store, of_blocked.as(policy)).cause == Cause::blocked);
  CHECK(store.taken.empty());
  CHECK(check(policy, {}, store.now(), store, of_blocked.as(policy)).cause == Cause::outage);
  CHECK(store.taken.size() == 1);
}

TEST_CASE("blocks and overrides are judged by the clock of the tables, and by no other server's") {
  const Policy policy(example_parts({mailbox()}));
  Tables tables;
  block(tables, "alice@example.com", "until=2026-11-22T06:00:00Z");
  const auto until = must(parse_moment("2026-11-22T06:00:00Z"));
  ScriptedStore store(example_now);
  const ExampleMessage mail;
  for (const auto ahead : {-1h, 0h, 1h}) {
    store.now_ = until + ahead;
    CHECK(check(policy, tables, until - 1ms, store, mail.as(policy)).cause == Cause::blocked);
    CHECK(check(policy, tables, until, store, mail.as(policy)).cause == Cause::within);
    CHECK(foresee(policy, tables, until - 1ms, store, mail.at_mail(policy)).cause == Cause::blocked);
    CHECK(foresee(policy, tables, until, store, mail.at_mail(policy)).cause != Cause::blocked);
    store.buckets.clear();
  }
}

TEST_CASE("the refusal that fills the count says that the sender is to be blocked") {
  const Policy policy(example_parts({mailbox()}));
  ScriptedStore store(example_now);
  const ExampleMessage mail;
  for (int i = 0; i < 3; ++i) CHECK(check(policy, {}, store.now(), store, mail.as(policy)).blocks_due.empty());
  store.refusals = 3;
  CHECK(check(policy, {}, store.now(), store, mail.as(policy)).blocks_due ==
        std::vector<BlockDue>{{{Kind::user, "alice@example.com"}, "mailbox", 3}});
}

TEST_CASE("foresee tells what a message would meet and changes nothing") {
  auto quota = mailbox();
  quota.warn_at = 1;
  const Policy policy(example_parts({quota}));
  ScriptedStore store(example_now);
  store.refusals = 3;
  const ExampleMessage mail;
  // It would pass the mark of the warning, but it is not charged yet.
  CHECK(foresee(policy, {}, store.now(), store, mail.at_mail(policy)) == Verdict{});
  CHECK(store.taken.empty());
  CHECK(store.peeked.size() == 1);
  CHECK(store.buckets.empty());
  store.fill(store.peeked[0][0], 0);
  const auto verdict = foresee(policy, {}, store.now(), store, mail.at_mail(policy));
  CHECK(verdict.action == Action::tempfail);
  REQUIRE(verdict.decider);
  CHECK(verdict.decider->is_certain);
  CHECK(verdict.blocks_due.empty());
}

TEST_CASE("without an answer foresee is certain only of what needs none") {
  auto parts = example_parts({mailbox()});
  parts.on_failure = OnFailure::tempfail;
  const Policy policy(std::move(parts));
  ScriptedStore store(example_now);
  store.error = StoreError{StoreErrorKind::timed_out, Executed::no, "no answer"};
  const ExampleMessage mail;
  CHECK(foresee(policy, {}, store.now(), store, mail.at_mail(policy)) == Verdict{});
  Tables blocked;
  block(blocked, "alice@example.com", "stolen");
  CHECK(foresee(policy, blocked, store.now(), store, mail.at_mail(policy)).cause == Cause::blocked);
}

}  // namespace
}  // namespace quota
