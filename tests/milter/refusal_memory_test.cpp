#include "milter/refusal_memory.hpp"

#include <doctest/doctest.h>

#include "tests/support/example_policy.hpp"

using namespace milter;
using namespace std::chrono_literals;
using Standing = RefusalMemory::Standing;

namespace {

const RefusalMemory::Clock::time_point start{1h};
const quota::Sender nobody{};

quota::Failure refusal_of(const std::string& user) {
  quota::Failure failure;
  failure.identity = {quota::Kind::user, user};
  failure.quota = "mailbox";
  failure.retry_at = quota::example_now + 10min;
  failure.is_certain = true;
  return failure;
}

}  // namespace

TEST_CASE("a refusal is certain for most of a second, then suspected until its time to retry, then forgotten") {
  const auto failure = refusal_of("alice@example.com");
  RefusalMemory memory;
  memory.remember(failure, nobody, start);
  struct Row {
    std::chrono::milliseconds at;
    Standing want;
  } const rows[] = {{0ms, Standing::certain},    {899ms, Standing::certain},      {900ms, Standing::suspected},
                    {1h, Standing::suspected}};
  for (const auto& row : rows) {
    CAPTURE(row.at.count());
    const auto answer = memory.find(failure.identity, quota::example_now, start + row.at);
    CHECK(answer.standing == row.want);
    CHECK(answer.failure.has_value() == (row.want == Standing::certain));
  }
  CHECK(memory.find(failure.identity, quota::example_now, start).failure == failure);
  // The store's clock says when it is worth trying again, even within the second.
  CHECK(memory.find(failure.identity, quota::example_now + 10min - 1ms, start).standing == Standing::certain);
  CHECK(memory.find(failure.identity, quota::example_now + 10min, start).standing == Standing::unknown);
}

TEST_CASE("of many sessions of a suspected sender one asks, and another one only where it has not come back") {
  const auto failure = refusal_of("alice@example.com");
  RefusalMemory memory;
  memory.remember(failure, nobody, start);
  const auto standing = [&](std::chrono::milliseconds at) { return memory.find(failure.identity, quota::example_now, start + at).standing; };
  CHECK(standing(900ms) == Standing::suspected);
  for (const auto at : {900ms, 901ms, 999ms}) CHECK(standing(at) == Standing::certain);
  CHECK(standing(1000ms) == Standing::suspected);
  memory.remember(failure, nobody, start + 1010ms);
  CHECK(standing(1909ms) == Standing::certain);
}

TEST_CASE("a refusal of a great message is over when the smallest one fits again") {
  auto failure = refusal_of("alice@example.com");
  failure.smallest_at = quota::example_now + 10ms;
  RefusalMemory memory;
  memory.remember(failure, nobody, start);
  CHECK(memory.find(failure.identity, quota::example_now + 9ms, start).failure->retry_at == quota::example_now + 10ms);
  CHECK(memory.find(failure.identity, quota::example_now + 10ms, start).standing == Standing::unknown);
}

TEST_CASE("only what not even the smallest message escapes is remembered") {
  auto uncertain = refusal_of("a@example.com");
  uncertain.is_certain = false;
  auto blocked = refusal_of("a@example.com");
  blocked.cause = quota::Cause::blocked;  // the table says so, and says when it no longer does
  auto too_big = refusal_of("a@example.com");
  too_big.cause = quota::Cause::too_big;
  for (const auto& failure : {uncertain, blocked, too_big}) {
    RefusalMemory memory;
    memory.remember(failure, nobody, start);
    CHECK(memory.find(failure.identity, quota::example_now, start).standing == Standing::unknown);
  }
}

TEST_CASE("one is forgotten alone, or all together") {
  const auto alice = refusal_of("alice@example.com");
  const auto bob = refusal_of("bob@example.com");
  RefusalMemory memory;
  memory.remember(alice, nobody, start);
  memory.remember(bob, nobody, start);
  memory.forget(alice.identity);
  CHECK(memory.find(alice.identity, quota::example_now, start).standing == Standing::unknown);
  CHECK(memory.find(bob.identity, quota::example_now, start).standing == Standing::certain);
  memory.remember(alice, nobody, start);
  memory.forget_all();
  CHECK(memory.find(alice.identity, quota::example_now, start).standing == Standing::unknown);
  CHECK(memory.find(bob.identity, quota::example_now, start).standing == Standing::unknown);
}

TEST_CASE("a later refusal of the same identity takes the place of an earlier one") {
  auto failure = refusal_of("alice@example.com");
  RefusalMemory memory;
  memory.remember(failure, nobody, start);
  failure.retry_at = quota::example_now + 20min;
  memory.remember(failure, nobody, start + 5s);
  CHECK(memory.find(failure.identity, quota::example_now + 15min, start + 5s).failure == failure);
}

TEST_CASE("a storm of identities fills the memory to its bound, and the newest is always known") {
  constexpr int sent = 100'000;
  RefusalMemory memory;
  for (int i = 0; i < sent; ++i) {
    const auto failure = refusal_of(std::to_string(i) + "@example.com");
    memory.remember(failure, nobody, start);
    REQUIRE(memory.find(failure.identity, quota::example_now, start).standing == Standing::certain);
  }
  int known = 0;
  for (int i = 0; i < sent; ++i)
    if (memory.find({quota::Kind::user, std::to_string(i) + "@example.com"}, quota::example_now, start).standing != Standing::unknown) ++known;
  CHECK(known <= 16 * 4096);
  CHECK(known > 16 * 3500);  // and it is used
}
