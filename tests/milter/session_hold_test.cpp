// Mail that is held instead of refused, the bottom of the hold queue, and what happens while the store has no answer.
#include <doctest/doctest.h>

#include "quota/store/guarded_store.hpp"
#include "tests/milter/session_rig.hpp"
#include "tests/support/spread_memory.hpp"

using namespace milter;
using namespace std::chrono_literals;

namespace {

constexpr std::string_view one_an_hour = R"(
[identity]
trusted_relays = ["198.51.100.25"]
[[quota]]
name   = "host"
per    = ["user", "client"]
limits = "1 messages / 1h"
warn_at = "off"
)";

quota::ClientFacts relay() { return client_at("198.51.100.25"); }
quota::StoreError gone() { return {quota::StoreErrorKind::unreachable, quota::Executed::no, "gone"}; }

}  // namespace

TEST_CASE("local mail and a relay's are never refused before their end, and held where others would be refused") {
  for (const auto& from : {local(), relay()}) {
    const std::string identity = from.address ? "client:198.51.100.25" : "client:local/mx1.example.com";
    CAPTURE(identity);
    Rig rig(one_an_hour);
    Client client(rig.services, from);
    CHECK(client.send(without_login()) == "END proceed");
    for (int i = 1; i <= 3; ++i) CHECK(client.send(without_login()) == "END quarantine");  // certain by now, all the same
    CHECK(client.last.reason == "sendquota: quota host, " + identity + ", 1 of 1 messages");
    quota::block(rig.tables, identity, "hacked");
    CHECK(client.send(without_login()) == "END quarantine");
    CHECK(client.last.reason == "sendquota: " + identity + " is blocked");
    CHECK(rig.counters.refused_early == 0);
    CHECK(rig.store.peeks == 0);
  }
}

TEST_CASE("the reason of a hold names the limit that failed") {
  struct Row {
    std::string limits;
    std::string reason;
  } const rows[] = {
      {"2 recipients / message", "sendquota: quota host, client:local/mx1.example.com, 3 recipients in one message, at most 2"},
      {"2 recipients / 1h", "sendquota: quota host, client:local/mx1.example.com, 3 recipients in one message, at most 2"},
      {"none", "sendquota: quota host, client:local/mx1.example.com, nothing is allowed"},
  };
  for (const auto& row : rows) {
    Rig rig("[[quota]]\nname = \"host\"\nper = \"client\"\nlimits = \"" + std::string(row.limits) + "\"\n");
    Client client(rig.services, local());
    CHECK(client.send({without_login().facts, {"<a@b.example>", "<b@b.example>", "<c@b.example>"}}) == "END quarantine");
    CHECK(client.last.reason == row.reason);
  }
}

TEST_CASE("a quota made for local mail may reject it") {
  Rig rig("[[quota]]\nname = \"host\"\nper = \"client\"\nwhen = \"local\"\naction = \"reject\"\nlimits = \"1 messages / 1h\"\n");
  Client client(rig.services, local());
  CHECK(client.send(without_login()) == "END proceed");
  CHECK(client.send(without_login()) == "END reject 550 5.7.1");
}

TEST_CASE("the hold queue has a bottom, and what happens there is told once") {
  struct Row {
    std::string then;
    std::string want;
    std::uint64_t discarded;
    std::uint64_t quarantined;
    std::uint64_t rejected;
  } const rows[] = {
      {"discard", "END discard", 2, 2, 0},
      {"reject", "END reject 550 5.7.1", 0, 2, 2},
      {"hold", "END quarantine", 0, 4, 0},
  };
  for (const auto& row : rows) {
    CAPTURE(row.then);
    Rig rig("hold = { max = 2, then = \"" + std::string(row.then) + "\" }\n" + std::string(one_an_hour));
    Client client(rig.services, local());
    const Mail mail{without_login().facts, {"<a@remote.example>", "<b@remote.example>", "<c@remote.example>"}};
    CHECK(client.send(mail) == "END proceed");
    for (int i = 1; i <= 2; ++i) CHECK(client.send(mail) == "END quarantine");
    REQUIRE(rig.aftermath.events.size() == 2);  // of which one is told
    for (const auto& [event, once_as] : rig.aftermath.events) {
      CHECK(event.what == "first_hold");
      CHECK(event.identity == "client:local/mx1.example.com");
      CHECK(event.text == "mail is held on mx1.example.com: quota host");
      CHECK(once_as == "first_hold:client:local/mx1.example.com");
    }
    for (int i = 1; i <= 2; ++i) CHECK(client.send(mail) == row.want);
    std::erase_if(rig.aftermath.events, [](const auto& one) { return one.event.what == "first_hold"; });
    CHECK(rig.counters.discarded == row.discarded);
    CHECK(rig.counters.near_bottom == 2);  // those beyond
    CHECK(rig.count(quota::Action::quarantine) == row.quarantined);
    CHECK(rig.count(quota::Action::reject) == row.rejected);
    CHECK(rig.log.errors() == static_cast<int>(3 * row.discarded));  // each recipient of what is thrown away
    REQUIRE(rig.aftermath.events.size() == 2);
    for (const auto& [event, once_as] : rig.aftermath.events) {
      CHECK(event.what == "hold_full");
      CHECK(event.severity == "error");
      CHECK(event.identity == "client:local/mx1.example.com");
      CHECK(event.text == std::string("2 messages are held on mx1.example.com; further ones: ") + row.then);
      CHECK(once_as == "hold_full:mx1.example.com:client:local/mx1.example.com");
    }
    CHECK(rig.record("client:local/mx1.example.com").held.at("mx1.example.com") == 2);
  }
}

TEST_CASE("a quarantine that the MTA does not take becomes a tempfail, and the connection goes on") {
  Rig rig("[[quota]]\nname = \"mailbox\"\nper = \"user\"\naction = \"quarantine\"\nlimits = \"1 messages / 1h\"\n");
  Client client(rig.services);
  CHECK(client.send({}) == "END proceed");
  (void)client.session.mail(Mail{}.facts);
  (void)client.session.recipient("<bob@remote.example>");
  REQUIRE(text(client.session.end_of_message("4XyZ")) == "quarantine");
  CHECK(rig.count(quota::Action::quarantine) == 0);  // nothing is said to be held before it is
  CHECK(text(client.session.after_hold(Hold::failed)) == "tempfail 451 4.3.0");
  CHECK(rig.counters.quarantine_failed == 1);
  CHECK(rig.count(quota::Action::quarantine) == 0);
  CHECK(rig.count(quota::Action::tempfail) == 1);
  CHECK(rig.counters.messages_in_flight == 0);
  Mail bob;
  bob.facts.auth_authen = "bob@example.com";
  CHECK(client.send(bob) == "END proceed");
}

TEST_CASE("where the MTA offers no quarantine, what should be held is tempfailed for ever and never reaches the bottom of the hold queue") {
  Rig rig("hold = { max = 2, then = \"discard\" }\n" + std::string(one_an_hour));
  Client client(rig.services, local(), {.can_quarantine = false});
  CHECK(client.send(without_login()) == "END proceed");
  for (int i = 1; i <= 5; ++i) CHECK(client.send(without_login()) == "END tempfail 451 4.3.0");
  CHECK(rig.count(quota::Action::tempfail) == 5);
  CHECK(rig.counters.quarantine_failed == 5);
  CHECK(rig.counters.discarded == 0);
  CHECK(rig.record("client:local/mx1.example.com").held.empty());
}

TEST_CASE("while the store has no answer on_failure decides, and local mail is never tempfailed") {
  struct Row {
    std::string on_failure;
    quota::ClientFacts from;
    Mail mail;
    std::string want;
  } const rows[] = {
      {"accept", outside(), {}, "END proceed"},
      {"accept", local(), without_login(), "END proceed"},
      {"tempfail", outside(), {}, "END tempfail 451 4.3.0"},
      {"tempfail", local(), without_login(), "END quarantine"},
      {"tempfail", relay(), without_login(), "END quarantine"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.on_failure);
    CAPTURE(row.want);
    Rig rig("store.on_failure = \"" + std::string(row.on_failure) + "\"\n" + std::string(one_an_hour));
    rig.store.error = gone();
    Client client(rig.services, row.from);
    for (int i = 1; i <= 3; ++i) CHECK(client.send(row.mail) == row.want);
    CHECK(rig.count(quota::Cause::outage) == 3);
    CHECK(rig.counters.store_errors == 3);
    rig.store.error.reset();
    CHECK(client.send(row.mail) == "END proceed");  // nothing was charged meanwhile
  }
}

TEST_CASE("with on_failure = local each node goes on with its share of the limit, refuses nobody for good and counts no refusal") {
  for (const auto& from : {outside(), local()}) {
    const bool is_local = !from.address;
    Rig rig("[[quota]]\nname = \"host\"\naction = \"reject\"\nlimits = \"4 messages / 1h\"\n" +
            std::string(is_local ? "per = \"client\"\n" : "per = \"user\"\n[quota.block]\nafter = \"2 refusals / 1h\"\nfor = [\"1h\"]\nforget = \"1d\"\n"));
    quota::SpreadMemory memory(rig.clock, 1);
    quota::SpreadView view(memory);
    bool is_away = true;
    view.fate = [&](std::size_t) { return is_away ? quota::SpreadView::Fate::unreachable : quota::SpreadView::Fate::answered; };
    quota::GuardOptions options;
    options.nodes = 2;
    options.charge_back_every = 0ms;
    quota::GuardedStore store(view, std::move(options), 7);
    auto services = rig.services_with(store);
    Client client(services, from);
    const auto mail = is_local ? without_login() : Mail{};
    CHECK(client.send(mail) == "END proceed");
    CHECK(client.send(mail) == "END proceed");
    CHECK(client.send(mail) == (is_local ? "END quarantine" : "END tempfail 451 4.7.1"));
    for (int i = 0; i < 5; ++i) CHECK(client.send(mail) == (is_local ? "END quarantine" : "MAIL tempfail 451 4.7.1"));
    rig.wait(1s);  // certain no longer: the share is asked
    CHECK(client.send(mail) == (is_local ? "END quarantine" : "MAIL tempfail 451 4.7.1"));
    CHECK(rig.counters.judged_by_share == 9);
    CHECK(rig.counters.store_errors == 0);
    CHECK(rig.aftermath.counted.empty());
    CHECK(rig.aftermath.due.empty());

    is_away = false;
    store.charge_back();
    rig.wait(1s);
    store.charge_back();
    CHECK(client.send(mail) == "END proceed");  // what the other node did not use
    CHECK(client.send(mail) == "END proceed");
    CHECK(client.send(mail) == (is_local ? "END quarantine" : "END reject 550 5.7.1"));
    CHECK(rig.counters.judged_by_share == 9);
  }
}
