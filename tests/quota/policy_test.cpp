#include "quota/policy.hpp"

#include <doctest/doctest.h>

#include "tests/quota/policy_rig.hpp"

namespace quota {
namespace {

using namespace policy_rig;

constexpr Timestamp::duration hour = 1h;

// ---- which quotas a message is charged to

TEST_CASE("a message is charged to its user, domain, account and everyone, to all of them at once") {
  Policy::Parts parts = example_parts({mailbox(), quota_of("domain", {Kind::user_domain}, "1000 messages / 1d"),
                                       quota_of("customer", {Kind::account}, "2000 recipients / 1d"),
                                       quota_of("cluster", {Kind::everyone}, "500MB / 1d")});
  parts.accounts.set({Kind::user_domain, "example.com"}, {"acme", ""});
  const Policy policy(std::move(parts));
  ExampleMessage message;
  message.to(7).bytes(1234);
  CHECK(charged(policy, message.as(policy)) ==
        "user:alice@example.com mailbox messages/15m 1, user_domain:example.com domain messages/1d 1, "
        "account:acme customer recipients/1d 7, everyone:all cluster bytes/1d 1234");
}

TEST_CASE("at MAIL every cost is the least that any message has") {
  const Policy policy(
      example_parts({mailbox("250 messages / 15m, 2000 recipients / 1d, 500MB / 1d, 300 recipients / message")}));
  CHECK(charged(policy, ExampleMessage().at_mail(policy)) ==
        "user:alice@example.com mailbox messages/15m 1, user:alice@example.com mailbox recipients/1d 1, "
        "user:alice@example.com mailbox bytes/1d 1");
}

TEST_CASE("a quota is charged to the first kind of its list that the message bears, never to a nameless bucket") {
  const Policy policy(example_parts({quota_of("web", {Kind::script, Kind::sender, Kind::client}, "100 messages / 1h"),
                                     quota_of("owner", {Kind::uid}, "300 messages / 1h")}));
  ExampleMessage with_script, without_script, login;
  with_script.locally();
  without_script.locally().envelope.php_script.reset();
  CHECK(charged(policy, with_script.as(policy)) ==
        "script:mx1.example.com/1000:form.php web messages/1h 1, uid:mx1.example.com/1000 owner messages/1h 1");
  CHECK(charged(policy, without_script.as(policy)) == "sender:www-data@mx1.example.com web messages/1h 1");
  CHECK(charged(policy, login.as(policy)) == "sender:alice@example.com web messages/1h 1");
}

TEST_CASE("inbound mail is never charged, refused or blocked") {
  auto parts = example_parts({quota_of("all", {Kind::everyone}, "none")});
  parts.on_failure = OnFailure::tempfail;
  const Policy policy(std::move(parts));
  Tables tables;
  block(tables, "everyone:all", "stop");
  block(tables, "client:203.0.113.9", "stop");
  ExampleMessage message;
  message.from_client("203.0.113.9");
  CHECK(judged(policy, message.as(policy), tables) == Verdict{Action::accept, Cause::inbound});
  CHECK(policy.judge_outage(policy.assess(message.as(policy), tables, now), {}) ==
        Verdict{Action::accept, Cause::inbound});
}

TEST_CASE("outgoing mail that no quota covers is uncovered and passes") {
  const Policy policy(example_parts({quota_of("mailbox", {Kind::user}, "250 messages / 15m")}));
  ExampleMessage message;
  message.from_client("198.51.100.7");
  CHECK(judged(policy, message.as(policy)) == Verdict{Action::accept, Cause::uncovered});
  ExampleMessage nameless;
  nameless.envelope.auth_authen = "";  // {auth_type} without {auth_authen}: a macro is missing
  CHECK(judged(policy, nameless.as(policy)) == Verdict{Action::accept, Cause::uncovered});
}

TEST_CASE("a quota covers the submissions that its `when` names") {
  struct {
    When when;
    bool login, network, relay, local;
  } const rows[] = {{When::any, true, true, true, true},
                    {When::smtp, true, true, false, false},
                    {When::local, false, false, true, true}};
  for (const auto& row : rows) {
    CAPTURE(name(row.when));
    auto quota = quota_of("all", {Kind::everyone}, "250 messages / 15m");
    quota.when = row.when;
    const Policy policy(example_parts({quota}));
    ExampleMessage login, network, relay, local;
    CHECK(charged(policy, login.as(policy)).empty() != row.login);
    CHECK(charged(policy, network.from_client("198.51.100.7").as(policy)).empty() != row.network);
    CHECK(charged(policy, relay.from_client("198.51.100.25").as(policy)).empty() != row.relay);
    CHECK(charged(policy, local.locally().as(policy)).empty() != row.local);
  }
}

// ---- the order of what decides

TEST_CASE("what decides is: block > exemption > live override > configured override > the quota") {
  auto quota = mailbox("1 messages / 1d");
  quota.overrides.push_back({{must(parse_match("alice@example.com"))}, must(parse_allowance("2 messages / 1d"))});
  struct {
    bool blocked, exempt, live, configured;
    Cause want;
    std::string_view limit;
  } const rows[] = {
      {false, false, false, false, Cause::within, "1 messages / 1d"},
      {false, false, false, true, Cause::within, "2 messages / 1d"},
      {false, false, true, false, Cause::within, "3 messages / 1d"},
      {false, false, true, true, Cause::within, "3 messages / 1d"},
      {false, true, false, false, Cause::exempt, ""},
      {false, true, true, true, Cause::exempt, ""},
      {true, false, false, false, Cause::blocked, ""},
      {true, true, true, true, Cause::blocked, ""},
  };
  for (const auto& row : rows) {
    CAPTURE(row.blocked);
    CAPTURE(row.exempt);
    CAPTURE(row.live);
    CAPTURE(row.configured);
    auto parts = example_parts({quota});
    if (!row.configured) parts.quotas[0].overrides.clear();
    if (row.exempt) parts.exempt.users = {must(parse_match("alice@example.com"))};
    Tables tables;
    if (row.blocked) block(tables, "alice@example.com", "stolen");
    if (row.live) override_live(tables, "user:alice@example.com mailbox", "3 messages / 1d");
    const Policy policy(std::move(parts));
    const auto assessment = policy.assess(ExampleMessage().as(policy), tables, now);
    CHECK(assessment.cause == row.want);
    CHECK((assessment.charges.empty() ? "" : format(assessment.charges[0].limit)) == row.limit);
    const auto verdict = judged(policy, ExampleMessage().as(policy), tables);
    CHECK(verdict.cause == row.want);
    CHECK(verdict.action == (row.blocked ? Action::reject : Action::accept));
  }
}

TEST_CASE("an override replaces the limits of its units, and a live one does so on top of a configured one") {
  auto quota = mailbox("250 messages / 15m, 2000 recipients / 1d, 300 recipients / message");
  quota.overrides.push_back({{must(parse_match("@example.com"))}, must(parse_allowance("9 messages / 1d"))});
  const Policy policy(example_parts({quota}));
  const auto grant = [&](const Tables& tables) { return policy.granted(policy.parts().quotas[0], alice, tables, now); };
  CHECK(format(grant({}).allowance) == "2000 recipients / 1d, 9 messages / 1d, 300 recipients / message");
  CHECK(grant({}).source == Policy::Grant::Source::config_override);
  struct {
    std::string_view live, want;
    Policy::Grant::Source source;
  } const rows[] = {
      {"77 recipients / 1h", "9 messages / 1d, 77 recipients / 1h, 300 recipients / message",
       Policy::Grant::Source::live_override},
      {"unlimited", "unlimited", Policy::Grant::Source::live_override},
      {"none", "none", Policy::Grant::Source::live_override},
      {"inherit", "2000 recipients / 1d, 9 messages / 1d, 300 recipients / message",
       Policy::Grant::Source::config_override},
  };
  for (const auto& row : rows) {
    CAPTURE(row.live);
    Tables tables;
    override_live(tables, "user:alice@example.com mailbox", row.live);
    override_live(tables, "* *", "1 messages / 10d");  // less specific: has no say
    CHECK(format(grant(tables).allowance) == row.want);
    CHECK(grant(tables).source == row.source);
  }
}

TEST_CASE("of configured overrides the most specific wins, and `inherit` there is the quota itself") {
  auto quota = mailbox("1 messages / 1d");
  const auto rule = [](std::string_view match, std::string_view limits) {
    return OverrideRule{{must(parse_match(match))}, must(parse_allowance(limits))};
  };
  quota.overrides = {rule("plan:gold", "2 messages / 1d"),    rule("account:acme", "3 messages / 1d"),
                     rule("@example.com", "4 messages / 1d"), rule("alice@example.com", "5 messages / 1d"),
                     rule("carol@example.com", "inherit"),    rule("192.0.2.0/24", "6 messages / 1d")};
  auto parts = example_parts({quota});
  parts.accounts.set({Kind::user_domain, "example.com"}, {"acme", "gold"});
  parts.accounts.set({Kind::user, "dave@other.example"}, {"acme", ""});
  parts.accounts.set({Kind::user, "erin@other.example"}, {"small", "gold"});
  parts.accounts.set({Kind::user, "fred@other.example"}, {"small", ""});
  const Policy policy(std::move(parts));
  struct {
    std::string_view identity, want;
  } const rows[] = {
      {"user:alice@example.com", "5 messages / 1d"},
      {"user:bob@example.com", "4 messages / 1d"},
      {"user:carol@example.com", "1 messages / 1d"},
      {"user:dave@other.example", "3 messages / 1d"},
      {"user:erin@other.example", "2 messages / 1d"},
      {"user:fred@other.example", "2 messages / 1d"},  // the plan is the customer's, whichever entry names it
      {"account:acme", "3 messages / 1d"},
      {"account:small", "2 messages / 1d"},
      {"user_domain:example.com", "4 messages / 1d"},
      {"sender:alice@example.com", "5 messages / 1d"},
      {"client:192.0.2.9", "6 messages / 1d"},
      {"client:198.51.100.1", "1 messages / 1d"},
      {"user:gina@other.example", "1 messages / 1d"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.identity);
    const auto grant = policy.granted(policy.parts().quotas[0], must(parse_identity(row.identity)), {}, now);
    CHECK(format(grant.allowance) == row.want);
  }
}

TEST_CASE("a match of another fact than the charged identity has no say") {
  // Alice sends as the newsletter: what counts is whom the quota charges.
  auto quota = mailbox("1 messages / 1d");
  quota.overrides.push_back({{must(parse_match("newsletter@example.com")), must(parse_match("203.0.113.0/24"))},
                             must(parse_allowance("unlimited"))});
  const Policy policy(example_parts({quota}));
  ExampleMessage message;
  message.envelope.mail_from = "<newsletter@example.com>";
  CHECK(!charged(policy, message.as(policy)).empty());
}

// ---- exemptions

TEST_CASE("exempt users and clients are charged nothing") {
  auto parts = example_parts({mailbox(), quota_of("all", {Kind::everyone}, "10 messages / 1d")});
  parts.exempt.users = {must(parse_match("@example.com"))};
  parts.exempt.clients = {must(Network::parse("198.51.100.7"))};
  const Policy policy(std::move(parts));
  CHECK(judged(policy, ExampleMessage().as(policy)) == Verdict{Action::accept, Cause::exempt});
  ExampleMessage other, client, neighbour;
  other.envelope.auth_authen = "mallory@other.example";
  other.envelope.mail_from = "<alice@example.com>";
  CHECK(judged(policy, other.as(policy)).cause == Cause::within);
  CHECK(judged(policy, client.from_client("198.51.100.7").as(policy)).cause == Cause::exempt);
  CHECK(judged(policy, neighbour.from_client("198.51.100.8").as(policy)).cause == Cause::within);
}

TEST_CASE("an exempt sender lifts quotas per sender and its domain, never those of the login that types it") {
  auto parts = example_parts({mailbox(), quota_of("from", {Kind::sender}, "10 messages / 1d"),
                              quota_of("from-domain", {Kind::sender_domain}, "10 messages / 1d"),
                              quota_of("web", {Kind::script, Kind::sender}, "10 messages / 1d")});
  parts.exempt.senders = {must(parse_match("newsletter@example.com"))};
  const Policy policy(std::move(parts));
  ExampleMessage message, script;
  message.envelope.mail_from = "<Newsletter+x@Example.com>";
  CHECK(charged(policy, message.as(policy)) == "user:alice@example.com mailbox messages/15m 1");
  script.locally().envelope.mail_from = "newsletter@example.com";
  CHECK(charged(policy, script.as(policy)) == "script:mx1.example.com/1000:form.php web messages/1d 1");
}

TEST_CASE("exempt recipients exempt a message only where all of them match, a blocked sender's too") {
  auto parts = example_parts({mailbox("none")});
  parts.exempt.recipients = {must(parse_match("postmaster@example.com")), must(parse_match("abuse@example.com"))};
  const Policy policy(std::move(parts));
  Tables blocked;
  block(blocked, "alice@example.com", "stolen");
  struct {
    std::vector<std::string> recipients;
    bool exempt;
  } const rows[] = {
      {{"<postmaster@example.com>"}, true},
      {{"<Postmaster@example.com>", "<abuse@EXAMPLE.com>"}, true},
      {{"<postmaster@example.com>", "<victim@remote.example>"}, false},
      {{"<victim@remote.example>"}, false},
      {{}, false},  // none is not all
  };
  for (const auto& row : rows) {
    ExampleMessage message;
    message.to(row.recipients);
    CHECK(judged(policy, message.as(policy)).cause == (row.exempt ? Cause::exempt : Cause::nothing_allowed));
    CHECK(judged(policy, message.as(policy), blocked).cause == (row.exempt ? Cause::exempt : Cause::blocked));
  }
  // At MAIL nobody is known yet.
  CHECK(judged(policy, ExampleMessage().at_mail(policy), blocked).cause == Cause::blocked);
}

// ---- blocks

TEST_CASE("whoever of a message's identities is blocked, the message meets it, whatever the quotas") {
  const Policy policy(example_parts({}));
  for (const auto* identity : {"user:alice@example.com", "user_domain:example.com", "sender:alice@example.com",
                               "sender_domain:example.com", "client:203.0.113.9", "everyone"}) {
    CAPTURE(identity);
    Tables tables;
    block(tables, identity, "until=2026-11-22T06:00:00Z public: pay your bill");
    const auto verdict = judged(policy, ExampleMessage().as(policy), tables);
    CHECK(verdict.action == Action::reject);
    CHECK(verdict.cause == Cause::blocked);
    REQUIRE(verdict.decider);
    CHECK(verdict.decider->identity == must(parse_identity(identity)));
    CHECK(verdict.decider->retry_at == now + hour);
    CHECK(verdict.decider->reason == "public: pay your bill");
    CHECK(verdict.decider->quota.empty());
    CHECK(verdict.decider->is_certain);
    CHECK(policy.assess(ExampleMessage().as(policy), tables, now).to_take().empty());
    // It is over when the clock says so, whether somebody has taken the entry away or not.
    CHECK(policy.assess(ExampleMessage().as(policy), tables, now + hour).cause == Cause::uncovered);
  }
}

TEST_CASE("a block acts as it says over SMTP, and holds local mail") {
  const Policy policy(example_parts({mailbox()}));
  for (const auto action : {Action::tempfail, Action::reject, Action::quarantine}) {
    CAPTURE(name(action));
    Tables tables;
    block(tables, "everyone", "action=" + std::string(name(action)));
    ExampleMessage local, relay;
    CHECK(judged(policy, ExampleMessage().as(policy), tables).action == action);
    CHECK(judged(policy, local.locally().as(policy), tables).action == Action::quarantine);
    CHECK(judged(policy, relay.from_client("198.51.100.25").as(policy), tables).action == Action::quarantine);
  }
}

TEST_CASE("in observe mode a block by hand holds, and an automatic one is only observed") {
  struct {
    Mode configured, quota;
    const char* live;
    bool automatic_holds;
  } const rows[] = {
      {Mode::enforce, Mode::enforce, "", true},         {Mode::observe, Mode::enforce, "", false},
      {Mode::enforce, Mode::enforce, "observe", false}, {Mode::observe, Mode::enforce, "enforce", true},
      {Mode::enforce, Mode::observe, "", false},        {Mode::enforce, Mode::observe, "enforce", false},
  };
  for (const auto& row : rows) {
    CAPTURE(name(row.configured));
    CAPTURE(name(row.quota));
    CAPTURE(row.live);
    auto quota = mailbox();
    quota.mode = row.quota;
    auto parts = example_parts({quota});
    parts.mode = row.configured;
    const Policy policy(std::move(parts));
    Tables by_hand, automatic;
    block(by_hand, "alice@example.com", "stolen");
    block(automatic, "alice@example.com", "action=tempfail quota=mailbox step=1 300 refusals in 10m");
    for (auto* tables : {&by_hand, &automatic})
      if (*row.live) override_live(*tables, "* *", row.live);
    CHECK(judged(policy, ExampleMessage().as(policy), by_hand).action == Action::reject);
    const auto verdict = judged(policy, ExampleMessage().as(policy), automatic);
    CHECK(verdict.action == (row.automatic_holds ? Action::tempfail : Action::accept));
    REQUIRE((row.automatic_holds ? verdict.decider.has_value() : verdict.observed.size() == 1));
    CHECK((row.automatic_holds ? *verdict.decider : verdict.observed[0]).cause == Cause::blocked);
  }
}

}  // namespace
}  // namespace quota
