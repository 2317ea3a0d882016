// Who is refused before anything is uploaded, for how long that holds, and what it costs the store.
#include <doctest/doctest.h>

#include "quota/time_text.hpp"
#include "tests/milter/session_rig.hpp"

using namespace milter;
using namespace std::chrono_literals;

namespace {

constexpr std::string_view two_an_hour = R"(
[[quota]]
name   = "mailbox"
per    = "user"
limits = "2 messages / 1h"
[quota.block]
after = "300 refusals / 10m"
for   = "1h"
)";
constexpr std::string_view exempt_abuse = "[exempt]\nrecipients = [\"abuse@example.com\"]\n";
constexpr const char* refused_at_mail = "MAIL tempfail 451 4.7.1";

/// Sends until the quota is used up and the first refusal was met at end of message.
void use_up(Client& client) {
  CHECK(client.send({}) == "END proceed");
  CHECK(client.send({}) == "END proceed");
  CHECK(client.send({}) == "END tempfail 451 4.7.1");
}

}  // namespace

TEST_CASE("a blocked login is refused at MAIL without asking the store, even while it is away") {
  struct Row {
    std::string block;
    std::string want;
  } const rows[] = {
      {"password stolen", "MAIL reject 550 5.7.1"},
      {"id=1 action=tempfail quota=mailbox step=1 300 refusals in 10m", refused_at_mail},
      {"action=quarantine", "END quarantine"},  // a hold is no refusal: the message must come whole
      {"until=2020-01-01T00:00:00Z long over", "END proceed"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.block);
    Rig rig(two_an_hour);
    quota::block(rig.tables, "user:alice@example.com", row.block);
    Client client(rig.services);
    CHECK(client.send({}) == row.want);
    CHECK(rig.aftermath.counted.empty());  // refusals while blocked do not lead to a block
  }
  Rig rig(two_an_hour);
  quota::block(rig.tables, "user:alice@example.com", "password stolen");
  rig.store.error = quota::StoreError{quota::StoreErrorKind::unreachable, quota::Executed::no, "gone"};
  Client client(rig.services);
  CHECK(client.send({}) == "MAIL reject 550 5.7.1");
  CHECK(rig.store.takes + rig.store.peeks == 0);
  CHECK(rig.counters.refused_early == 1);
  CHECK(rig.counters.messages_in_flight == 0);
}

TEST_CASE("a refusal that is certain is met at end of message first, then at MAIL, at no cost to the store for a second") {
  Rig rig(two_an_hour);
  Client client(rig.services);
  use_up(client);
  Client elsewhere(rig.services, client_at("203.0.113.77"));  // certain is the login, whatever it comes from
  struct Row {
    quota::Milliseconds wait;
    Client& from;
    std::string want;
    int takes;
    int peeks;
  } const rows[] = {
      {0s, client, refused_at_mail, 3, 0},
      {800ms, elsewhere, refused_at_mail, 3, 0},
      {200ms, client, refused_at_mail, 3, 1},  // after a second the store is asked, before anything is uploaded
      {800ms, client, refused_at_mail, 3, 1},
      {20min, client, refused_at_mail, 3, 2},
      {10min, client, "END proceed", 4, 2},    // one message comes back every half an hour
      {0s, client, "END tempfail 451 4.7.1", 5, 2},
  };
  for (const auto& row : rows) {
    rig.wait(row.wait);
    CHECK(row.from.send({}) == row.want);
    CHECK(rig.store.takes == row.takes);
    CHECK(rig.store.peeks == row.peeks);
  }
  CHECK(rig.counters.refused_early == 5);
}

TEST_CASE("a block ends by the clock of the server that has the tables, though the server of the record is a minute ahead or behind") {
  for (const auto ahead : {-1min, 1min}) {
    Rig rig(two_an_hour);
    rig.tables_ahead = ahead;
    quota::block(rig.tables, "user:alice@example.com", "until=" + quota::format_moment(quota::example_now + 1h) + " stolen");
    Client client(rig.services);
    rig.wait(1h - ahead - 1s);
    CHECK(client.send({}) == "MAIL reject 550 5.7.1");
    rig.wait(1s);
    CHECK(client.send({}) == "END proceed");
  }
}

TEST_CASE("a refusal at MAIL counts towards a block, where the quota has one") {
  Rig rig(two_an_hour);
  Client client(rig.services);
  use_up(client);
  CHECK(rig.aftermath.counted.empty());  // the store counted that one itself
  CHECK(client.send({}) == refused_at_mail);
  CHECK(client.send({}) == refused_at_mail);
  rig.wait(1s);
  CHECK(client.send({}) == refused_at_mail);  // asked of the store, which does not count where it is only looked at
  CHECK(rig.aftermath.counted == std::vector<std::string>(3, "user:alice@example.com mailbox"));
  CHECK(rig.record("user:alice@example.com").refusals.at("mailbox").count == 1);

  Rig gentle("[[quota]]\nname = \"mailbox\"\nper = \"user\"\nlimits = \"2 messages / 1h\"\n");
  Client other(gentle.services);
  use_up(other);
  CHECK(other.send({}) == refused_at_mail);
  CHECK(gentle.aftermath.counted.empty());
}

TEST_CASE("a release and a changed table are obeyed at once") {
  const auto alice = quota::must(quota::parse_identity("user:alice@example.com"));
  Rig rig(two_an_hour);
  Client client(rig.services);
  use_up(client);
  CHECK(client.send({}) == refused_at_mail);

  SUBCASE("a release: the daemon forgets who was refused when a table changes") {
    CHECK(rig.memory->refill(alice).has_value());
    rig.refusals.forget_all();
    CHECK(client.send({}) == "END proceed");
  }
  SUBCASE("a refill that nobody announced, within the second") {
    CHECK(rig.memory->refill(alice).has_value());
    rig.wait(1s);
    CHECK(client.send({}) == "END proceed");
    CHECK(client.send({}) == "END proceed");
    CHECK(rig.store.peeks == 1);  // one look clears the suspicion
  }
  SUBCASE("an exemption") {
    quota::override_live(rig.tables, "user:alice@example.com *", "unlimited");
    CHECK(client.send({}) == "END proceed");
  }
  SUBCASE("the switch to observe") {
    quota::override_live(rig.tables, "* *", "observe");
    CHECK(client.send({}) == "END proceed");
  }
  SUBCASE("a reload that takes the quota away") {
    rig.reload("");
    CHECK(client.send({}) == "END proceed");
  }
  SUBCASE("a block") {
    quota::block(rig.tables, "user:alice@example.com", "password stolen");
    CHECK(client.send({}) == "MAIL reject 550 5.7.1");
  }
}

TEST_CASE("nothing is foreseen that is not certain, or would be no refusal") {
  struct Row {
    std::string reason;
    std::string settings;
    std::size_t recipients;  // of the second and third message
    std::string second;
    std::string third;
  } const rows[] = {
      {"a smaller message may fit", "limits = \"10 recipients / 1h\"", 6, "END tempfail 451 4.7.1", "END tempfail 451 4.7.1"},
      {"no smaller one fits", "limits = \"5 recipients / 1h\"", 1, "END tempfail 451 4.7.1", refused_at_mail},
      {"too many for ever, but fewer may go", "limits = \"5 recipients / message\"", 6, "END reject 550 5.5.3", "END reject 550 5.5.3"},
      {"a hold needs the message", "action = \"quarantine\"\nlimits = \"5 recipients / 1h\"", 1, "END quarantine", "END quarantine"},
      {"observed", "mode = \"observe\"\nlimits = \"5 recipients / 1h\"", 1, "END proceed", "END proceed"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.reason);
    Rig rig("[[quota]]\nname = \"mailbox\"\nper = \"user\"\n" + std::string(row.settings) + "\n");
    Client client(rig.services);
    Mail mail;
    mail.to.assign(5, "<bob@remote.example>");
    CHECK(client.send(mail) == "END proceed");
    mail.to.assign(row.recipients, "<bob@remote.example>");
    CHECK(client.send(mail) == row.second);
    CHECK(client.send(mail) == row.third);
  }
}

TEST_CASE("a limit `none` is refused at MAIL from the first message on") {
  Rig rig("[[quota]]\nname = \"mailbox\"\nper = \"user\"\nlimits = \"none\"\n");
  Client client(rig.services);
  CHECK(client.send({}) == "MAIL reject 550 5.7.1");
  CHECK(rig.store.takes + rig.store.peeks == 0);
}

TEST_CASE("one refused identity does not refuse another of the same client") {
  Rig rig(two_an_hour);
  Client client(rig.services);
  use_up(client);
  Mail bob;
  bob.facts.auth_authen = "bob@example.com";
  CHECK(client.send(bob) == "END proceed");
}

TEST_CASE("where recipients are exempt the refusal waits for RCPT, and lets those pass") {
  const std::string abuse = "<abuse@example.com>";
  const std::string bob = "<bob@remote.example>";
  struct Row {
    std::string why;
    std::vector<std::string> to;
    std::vector<std::string> refused;
    std::string want;
  } const rows[] = {
      {"nobody is exempt", {bob, "<carol@remote.example>"}, {bob, "<carol@remote.example>"}, "RCPT "},
      {"one is, and gets it", {bob, abuse}, {bob}, "END proceed"},
      {"all are", {abuse, "<ABUSE@example.com>"}, {}, "END proceed"},
  };
  for (const bool is_blocked : {true, false})
    for (const auto& row : rows) {
      CAPTURE(row.why);
      CAPTURE(is_blocked);
      Rig rig(std::string(exempt_abuse) + std::string(two_an_hour));
      Client client(rig.services);
      if (is_blocked) quota::block(rig.tables, "user:alice@example.com", "password stolen");
      else use_up(client);
      const auto before = rig.used("user:alice@example.com", "mailbox messages/1h");
      const std::string refusal = is_blocked ? "reject 550 5.7.1" : "tempfail 451 4.7.1";
      CHECK(client.send({Mail{}.facts, row.to}) == (row.refused.empty() || row.to.size() > row.refused.size() ? row.want : row.want + refusal));
      CHECK(client.refused_recipients == row.refused);
      CHECK(rig.used("user:alice@example.com", "mailbox messages/1h") == before);
      CHECK(rig.counters.refused_early == (row.refused.empty() ? 0 : 1));  // one message, however many recipients
      CHECK(rig.aftermath.counted.size() == (is_blocked || row.refused.empty() ? 0 : 1));
    }
}

TEST_CASE("an MTA that does not hear our answers at RCPT gets the refusal at end of message") {
  Rig rig(std::string(exempt_abuse) + std::string(two_an_hour));
  quota::block(rig.tables, "user:alice@example.com", "password stolen");
  Client client(rig.services, outside(), {.headers = true, .body = true, .rcpt_is_answered = false});
  CHECK(client.send({Mail{}.facts, {"<bob@remote.example>", "<abuse@example.com>"}}) == "END reject 550 5.7.1");
  CHECK(client.send({Mail{}.facts, {"<abuse@example.com>"}}) == "END proceed");
}
