// Senders that are over their limit and go on sending: who asks the store about them, and when they may send again.
#include "milter/refusal_watch.hpp"

#include <doctest/doctest.h>

#include "tests/milter/session_rig.hpp"

using namespace milter;
using namespace std::chrono_literals;

namespace {

constexpr auto two_a_day = R"(
[[quota]]
name = "mailbox"
per = "user"
limits = "2 messages / 1d"
)";
constexpr auto refused_at_mail = "MAIL tempfail 451 4.7.1";

/// alice has used her limit up, and was told so at the end of a message.
struct Attack {
  Rig rig{two_a_day};
  Client client{rig.services};
  RefusalWatch watch{rig.services, 0ms};

  Attack() {
    for (int i = 0; i < 3; ++i) (void)client.send({});
  }
  int peeks() { return static_cast<int>(rig.store.peeks); }
};

}  // namespace

TEST_CASE("a sender that goes on is refused for more than an hour without one question on the way of its messages") {
  Attack attack;
  for (int i = 0; i < 7'000; ++i) {
    attack.rig.wait(700ms);
    attack.watch.look();
    const auto before = attack.peeks();
    REQUIRE(attack.client.send({}) == refused_at_mail);
    REQUIRE(attack.peeks() == before);
  }
  CHECK(attack.peeks() == 7'000);  // the watch's own
}

TEST_CASE("a look asks about nobody twice within 600 ms, nor about one who has not sent for half a minute") {
  Attack attack;
  struct Row {
    quota::Milliseconds wait;
    int asked;
  } const rows[] = {{599ms, 0}, {1ms, 1}, {599ms, 1}, {1ms, 2}, {28s, 3}, {1s, 3}, {10min, 3}};
  for (const auto& row : rows) {
    CAPTURE(row.wait.count());
    attack.rig.wait(row.wait);
    attack.watch.look();
    CHECK(attack.peeks() == row.asked);
  }
  CHECK(attack.client.send({}) == refused_at_mail);  // whoever comes back is asked about at MAIL
  CHECK(attack.peeks() == 4);
}

TEST_CASE("a record that was emptied without a word is obeyed at the next look") {
  Attack attack;
  attack.rig.wait(500ms);
  CHECK(attack.rig.memory->refill(quota::must(quota::parse_identity("user:alice@example.com"))).has_value());
  CHECK(attack.client.send({}) == refused_at_mail);
  attack.rig.wait(100ms);
  attack.watch.look();
  CHECK(attack.client.send({}) == "END proceed");
}

TEST_CASE("a raised limit is obeyed at the next look") {
  Attack attack;
  attack.rig.reload(R"(
[[quota]]
name = "mailbox"
per = "user"
limits = "20 messages / 1h"
)");
  attack.rig.wait(600ms);
  attack.watch.look();
  CHECK(attack.client.send({}) == "END proceed");
}

TEST_CASE("what was forgotten while the store was asked is not brought back by its answer") {
  Attack attack;
  quota::Failure failure;
  failure.identity = quota::must(quota::parse_identity("user:alice@example.com"));
  failure.quota = "mailbox";
  failure.retry_at = quota::example_now + 10min;
  failure.is_certain = true;
  attack.rig.refusals.forget_all();
  attack.rig.refusals.confirm(failure, attack.rig.services.steady_now());
  CHECK(attack.rig.refusals.find(failure.identity, quota::example_now, attack.rig.services.steady_now()).standing == RefusalMemory::Standing::unknown);
}

TEST_CASE("of a storm of senders a look asks about 256, the others are asked about at MAIL") {
  Attack attack;
  quota::Failure failure;
  failure.quota = "mailbox";
  failure.retry_at = quota::example_now + 10min;
  failure.is_certain = true;
  for (int i = 0; i < 1'000; ++i) {
    failure.identity = {quota::Kind::user, std::to_string(i) + "@example.com"};
    attack.rig.refusals.remember(failure, {quota::Origin::authenticated, {failure.identity}}, attack.rig.services.steady_now());
  }
  attack.rig.wait(600ms);
  attack.watch.look();
  CHECK(attack.peeks() == 256);
}
