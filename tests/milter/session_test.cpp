// What a session knows of a message, when it forgets it, and what it makes of the facts an MTA gives.
#include "milter/session.hpp"

#include <doctest/doctest.h>

#include "tests/milter/session_rig.hpp"

using namespace milter;
using namespace std::chrono_literals;
using quota::Cause;

namespace {

constexpr std::string_view scripts_and_clients = R"(
[[quota]]
name   = "scripts"
per    = "script"
limits = "100 messages / 1h"
[[quota]]
name   = "clients"
per    = "client"
limits = ["2 recipients / message", "1MB / 1h"]
)";

constexpr std::string_view mailbox = R"(
[identity]
default_realm = "example.com"
[[quota]]
name   = "mailbox"
per    = "user"
limits = "100 messages / 1h"
)";

/// A message that is left unfinished, with two recipients, a script and some bytes.
void begin(Session& session) {
  (void)session.mail(from_script("").facts);
  (void)session.recipient("<one@remote.example>");
  (void)session.recipient("<two@remote.example>");
  session.header("X-PHP-Originating-Script", "1000:first.php");
  session.body(5000);
}

}  // namespace

TEST_CASE("an unfinished message leaves nothing to the next one, however it ended") {
  struct Row {
    std::string ended;
    void (*end)(Session&);
  } const rows[] = {
      {"RSET, HELO or an abort", [](Session& session) { session.reset(); }},
      {"a new MAIL, without any abort", [](Session&) {}},
      {"a new connection on the same session", [](Session& session) { session.connect(local()); }},
  };
  for (const auto& row : rows) {
    CAPTURE(row.ended);
    Rig rig(scripts_and_clients);
    Client client(rig.services, local());
    begin(client.session);
    row.end(client.session);
    // Three recipients together would be too many, and the first script would keep the name.
    auto mail = from_script("2000:second.php");
    mail.body = 100;
    CHECK(client.send(mail) == "END proceed");
    CHECK(rig.record("script:mx1.example.com/1000:first.php").is_empty());
    CHECK(rig.used("script:mx1.example.com/2000:second.php", "scripts messages/1h") == 1);
    CHECK(rig.used("client:local/mx1.example.com", "clients bytes/1h") < 200);
    CHECK(rig.counters.messages_in_flight == 0);
    CHECK(rig.counters.abandoned == 1);  // and it was said
  }
}

TEST_CASE("steps of a message that nobody began are let pass and charge nobody") {
  Rig rig(scripts_and_clients);
  Client client(rig.services, local());
  CHECK(text(client.session.recipient("<one@remote.example>")) == "proceed");
  client.session.header("X-PHP-Originating-Script", "1000:form.php");
  client.session.body(10);
  CHECK(text(client.session.end_of_message("4XyZ")) == "proceed");
  CHECK(rig.store.takes == 0);
}

TEST_CASE("each message of a connection is charged to its own login, and all of them to the client") {
  Rig rig(std::string(mailbox) + "[[quota]]\nname = \"clients\"\nper = \"client\"\nlimits = \"100 messages / 1h\"\n");
  {
    Client client(rig.services);
    auto bob = Mail{};
    bob.facts.auth_authen = "Bob";  // a bare login, in another spelling
    CHECK(client.send({}) == "END proceed");
    CHECK(client.send(bob) == "END proceed");
    CHECK(client.send({}) == "END proceed");
    CHECK(rig.counters.open_connections == 1);
  }
  CHECK(rig.used("user:alice@example.com", "mailbox messages/1h") == 2);
  CHECK(rig.used("user:bob@example.com", "mailbox messages/1h") == 1);
  CHECK(rig.used("client:203.0.113.9", "clients messages/1h") == 3);
  CHECK(rig.counters.recipients == 3);
  CHECK(rig.counters.open_connections == 0);
  CHECK(rig.counters.messages_in_flight == 0);
}

TEST_CASE("mail for us passes at MAIL untouched, and is counted as inbound") {
  Rig rig("[[quota]]\nname = \"clients\"\nper = \"sender\"\nlimits = \"none\"\n");
  quota::block(rig.tables, "client:203.0.113.9", "until released");
  quota::block(rig.tables, "sender:alice@example.com", "until released");
  Client client(rig.services);
  for (int i = 1; i <= 2; ++i) CHECK(client.send(without_login()) == "MAIL accept");
  CHECK(rig.count(Cause::inbound) == 2);
  CHECK(rig.store.takes + rig.store.peeks == 0);
  CHECK(rig.count(quota::Action::accept) == 0);  // passed, but not judged
  CHECK(rig.counters.messages_in_flight == 0);
  CHECK(client.send({}) == "MAIL reject 550 5.7.1");  // the same client with a login is ours to judge
}

TEST_CASE("a live entry made in the middle of a message is obeyed at its end: an upload may take minutes") {
  Rig rig(mailbox);
  Client client(rig.services);
  const auto begun = [&] {
    (void)client.session.mail(Mail{}.facts);
    (void)client.session.recipient("<one@remote.example>");
  };
  begun();
  quota::block(rig.tables, "user:alice@example.com", "password stolen");
  CHECK(text(client.session.end_of_message("4XyZ")) == "reject 550 5.7.1");
  rig.tables = {};
  begun();
  quota::override_live(rig.tables, "user:alice@example.com mailbox", "none");
  CHECK(text(client.session.end_of_message("4XyZ")) == "reject 550 5.7.1");
}

TEST_CASE("what a live entry needs of a message, and an older connection does not give, is counted") {
  Rig rig(mailbox);
  const Negotiated little{.headers = false, .body = false, .rcpt_is_answered = true};
  Client client(rig.services, outside(), little);
  CHECK(client.send({}) == "END proceed");
  CHECK(rig.counters.not_negotiated == 0);
  quota::override_live(rig.tables, "user:bob@example.com mailbox", "1MB / 1h");
  CHECK(rig.tables.needs_bytes());
  CHECK(client.send({}) == "END proceed");
  CHECK(rig.counters.not_negotiated == 1);
  rig.tables = {};
  quota::block(rig.tables, "uid:mx1.example.com/1000", "hacked");
  CHECK(rig.tables.needs_php_header());
  CHECK(client.send({}) == "END proceed");
  CHECK(rig.counters.not_negotiated == 2);
}

TEST_CASE("a reload in the middle of a message is followed by the next one") {
  constexpr std::string_view strict = "[[quota]]\nname = \"mailbox\"\nper = \"user\"\nlimits = \"1 recipients / message\"\n";
  Rig rig(mailbox);
  Client client(rig.services);
  const auto two = std::vector<std::string>{"<one@remote.example>", "<two@remote.example>"};
  (void)client.session.mail(Mail{}.facts);
  rig.reload(strict);
  for (const auto& recipient : two) CHECK(text(client.session.recipient(recipient)) == "proceed");
  CHECK(text(client.session.end_of_message("4XyZ")) == "proceed");
  CHECK(client.send({Mail{}.facts, two}) == "END reject 550 5.5.3");
  CHECK(client.send({}) == "END proceed");
}

TEST_CASE("a login that the MTA does not name is charged to nobody, counted each time and said once") {
  Rig rig(mailbox);
  Client client(rig.services);
  for (int i = 1; i <= 3; ++i) CHECK(client.send({{"<alice@example.com>", {}, "PLAIN", ""}}) == "END proceed");
  CHECK(rig.counters.without_login == 3);
  CHECK(rig.count(Cause::uncovered) == 3);
  CHECK(rig.store.takes == 0);
  CHECK(rig.log.warnings() == 1);
}

TEST_CASE("of a size declared and one seen the larger is charged, and none is made up") {
  struct Row {
    std::optional<std::int64_t> declared;
    std::size_t body;
    bool is_body_sent;
    std::int64_t charged;
    std::uint64_t not_negotiated;
  } const rows[] = {
      {5000, 100, true, 5000, 0},
      {100, 5000, true, 5000, 0},   // a client that declares too little
      {{}, 5000, true, 5000, 0},
      {5000, 100, false, 5000, 1},  // a connection from before a reload that made sizes count; what is declared is a promise
      {{}, 100, false, 0, 1},
      {{}, 0, true, 0, 0},
  };
  for (const auto& row : rows) {
    CAPTURE(row.declared.value_or(-1));
    CAPTURE(row.body);
    Rig rig("[[quota]]\nname = \"mailbox\"\nper = \"user\"\nlimits = \"1MB / 1h\"\n");
    Client client(rig.services, outside(), {.headers = row.is_body_sent, .body = row.is_body_sent, .rcpt_is_answered = true});
    Mail mail;
    mail.facts.declared_size = row.declared;
    mail.body = row.body;
    CHECK(client.send(mail) == "END proceed");
    CHECK(rig.used("user:alice@example.com", "mailbox bytes/1h") == row.charged);
    CHECK(rig.counters.not_negotiated == row.not_negotiated);
  }
}

TEST_CASE("headers count towards the size with what the MTA took off them") {
  Rig rig("[[quota]]\nname = \"mailbox\"\nper = \"user\"\nlimits = \"1MB / 1h\"\n");
  Client client(rig.services);
  (void)client.session.mail(Mail{}.facts);
  (void)client.session.recipient("<bob@remote.example>");
  client.session.header("Subject", "hello");  // `Subject: hello` and a line's end
  client.session.body(100);
  CHECK(text(client.session.end_of_message("4XyZ")) == "proceed");
  CHECK(rig.used("user:alice@example.com", "mailbox bytes/1h") == 16 + 100);
}

TEST_CASE("a PHP header names the script where it is believed, and is a signal elsewhere") {
  struct Row {
    std::string reason;
    quota::ClientFacts client;
    std::vector<std::string> headers;
    const char* charged;  // the script; null: none
    std::array<std::uint64_t, 4> signals;  // ignored, repeated, malformed, evaluated
  } const rows[] = {
      {"a local script", local(), {"1000:form.php"}, "script:mx1.example.com/1000:form.php", {0, 0, 0, 0}},
      {"the first one wins", local(), {"1000:form.php", "33:other.php", "34:third.php"}, "script:mx1.example.com/1000:form.php", {0, 2, 0, 0}},
      {"what a relay's script says", client_at("198.51.100.25"), {"1000:form.php"}, "script:198.51.100.25/1000:form.php", {0, 0, 0, 0}},
      {"what anybody else says", outside(), {"1000:form.php", "1000:more.php"}, nullptr, {1, 1, 0, 0}},
      {"no uid", local(), {"form.php"}, nullptr, {0, 0, 1, 0}},
      {"a broken first is not mended by a second", local(), {"form.php", "1000:form.php"}, nullptr, {0, 1, 1, 0}},
      {"code from eval()", local(), {"1000:form.php(12) : eval()'d code"}, "script:mx1.example.com/1000:form.php", {0, 0, 0, 1}},
  };
  for (const auto& row : rows) {
    CAPTURE(row.reason);
    Rig rig(
        "[identity]\ntrusted_relays = [\"198.51.100.25\"]\n"
        "[[quota]]\nname = \"scripts\"\nper = [\"script\", \"user\", \"client\"]\nlimits = \"100 messages / 1h\"\n");
    Client client(rig.services, row.client);
    auto mail = row.client.address ? Mail{} : without_login();
    mail.php = row.headers;
    CHECK(client.send(mail) == "END proceed");
    const std::array<std::uint64_t, 4> signals{rig.counters.php_headers_ignored, rig.counters.php_headers_repeated,
                                               rig.counters.php_headers_malformed, rig.counters.php_evaluated};
    CHECK(signals == row.signals);
    if (row.charged) CHECK(rig.used(row.charged, "scripts messages/1h") == 1);
    if (!row.charged) CHECK(rig.record("script:mx1.example.com/1000:form.php").is_empty());
  }
}

TEST_CASE("a PHP header is known in any case, and missed where headers were not negotiated") {
  Rig rig(scripts_and_clients);
  Client client(rig.services, local());
  (void)client.session.mail(without_login().facts);
  (void)client.session.recipient("<bob@remote.example>");
  client.session.header("x-php-originating-SCRIPT", "1000:form.php");
  CHECK(text(client.session.end_of_message("4XyZ")) == "proceed");
  CHECK(rig.used("script:mx1.example.com/1000:form.php", "scripts messages/1h") == 1);
  CHECK(rig.counters.not_negotiated == 0);
  Client older(rig.services, local(), {.headers = false, .body = true, .rcpt_is_answered = true});
  CHECK(older.send(without_login()) == "END proceed");
  CHECK(rig.counters.not_negotiated == 1);
}

TEST_CASE("a uid that invents scripts is charged for them together beyond its bound") {
  Rig rig("identity.max_scripts_per_uid = 2\n[[quota]]\nname = \"scripts\"\nper = \"script\"\nlimits = \"100 messages / 1h\"\n");
  Client client(rig.services, local());
  for (const auto* header : {"1000:a.php", "1000:b.php", "1000:c.php", "1000:d.php", "1000:a.php", "2000:c.php"})
    CHECK(client.send(from_script(header)) == "END proceed");
  CHECK(rig.used("script:mx1.example.com/1000:a.php", "scripts messages/1h") == 2);
  CHECK(rig.used("script:mx1.example.com/1000:+others", "scripts messages/1h") == 2);
  CHECK(rig.record("script:mx1.example.com/1000:c.php").is_empty());
  CHECK(rig.used("script:mx1.example.com/2000:c.php", "scripts messages/1h") == 1);  // another uid has room of its own
  CHECK(rig.counters.scripts_over_bound == 2);
}

TEST_CASE("recipients beyond those that are kept still count, and are exempt nowhere") {
  Rig rig(
      "[exempt]\nrecipients = [\"abuse@example.com\"]\n"
      "[[quota]]\nname = \"mailbox\"\nper = \"user\"\nlimits = \"100000 recipients / message\"\n");
  Client client(rig.services);
  Mail mail;
  mail.to.assign(100'000, "<abuse@example.com>");
  CHECK(client.send(mail) == "END proceed");
  CHECK(rig.count(Cause::exempt) == 1);
  mail.to.emplace_back("<abuse@example.com>");  // not kept, so not known to be exempt
  CHECK(client.send(mail) == "END reject 550 5.5.3");
}

TEST_CASE("a bucket that passes warn_at is told once, in the message that takes it there") {
  Rig rig("[[quota]]\nname = \"mailbox\"\nper = \"user\"\nlimits = \"5 messages / 1h\"\n");
  Client client(rig.services);
  for (int i = 1; i <= 5; ++i) CHECK(client.send({}) == "END proceed");
  REQUIRE(rig.aftermath.events.size() == 1);
  const auto& [event, once_as] = rig.aftermath.events.front();
  CHECK(event.what == "warned");
  CHECK(event.severity == "warning");
  CHECK(event.identity == "user:alice@example.com");
  CHECK(event.text == "4 of 5 used: quota mailbox, 5 messages / 1h");
  CHECK(event.host == "mx1.example.com");
  CHECK(once_as == "warned:mailbox:user:alice@example.com");
}

TEST_CASE("the refusal that reaches the quota's bound makes a block due") {
  Rig rig("[[quota]]\nname = \"mailbox\"\nper = \"user\"\nlimits = \"1 messages / 1h\"\n[quota.block]\nafter = \"2 refusals / 10m\"\nfor = \"1h\"\n");
  Client client(rig.services);
  CHECK(client.send({}) == "END proceed");
  CHECK(client.send({}) == "END tempfail 451 4.7.1");
  CHECK(rig.aftermath.due.empty());
  rig.refusals.forget_all();
  CHECK(client.send({}) == "END tempfail 451 4.7.1");
  const quota::BlockDue due{quota::must(quota::parse_identity("user:alice@example.com")), "mailbox", 2};
  CHECK(rig.aftermath.due == std::vector{due});
}
