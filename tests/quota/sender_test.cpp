#include "quota/sender.hpp"

#include <doctest/doctest.h>

#include "tests/support/must.hpp"

namespace quota {
namespace {

IdentityRules rules() {
  IdentityRules rules;
  rules.default_realm = "example.com";
  rules.recipient_delimiter = "+";
  rules.our_networks = {must(Network::parse("198.51.100.0/24")), must(Network::parse("2001:db8:a::/48"))};
  rules.trusted_relays = {must(Network::parse("198.51.100.25"))};
  rules.local_daemon_names = {"MSP"};
  return rules;
}

/// A message of a stranger, as an MTA on mx1 sees it.
Envelope envelope_from(std::string_view address, std::uint16_t port = 40000) {
  Envelope envelope;
  envelope.client = {"mx1.example.com", "smtpd", "unknown", std::nullopt, port};
  if (!address.empty()) envelope.client.address = must(IpAddress::parse(address));
  envelope.mail_from = "<Bob+list@Shop.example>";
  envelope.recipients = {"<dest@remote.example>"};
  return envelope;
}

Sender sender_of(const Envelope& envelope, const AccountMap& accounts = {}) {
  const std::array maps{&accounts};
  return identify(rules(), maps, envelope);
}

std::string texts(const Sender& sender) {
  std::string out;
  for (const auto& identity : sender.identities) out += (out.empty() ? "" : " ") + identity.text();
  return out;
}

constexpr std::string_view stranger = "203.0.113.9";

TEST_CASE("mail is outgoing if it is authenticated, local, or from a network of ours") {
  struct {
    const char* what;
    std::string_view address;
    std::uint16_t port;
    const char* daemon;
    const char* auth_type;
    const char* auth_authen;
    Origin want;
  } const rows[] = {
      {"a stranger on port 25", stranger, 40000, "smtpd", "", "", Origin::inbound},
      {"a login", stranger, 40000, "smtpd", "PLAIN", "alice", Origin::authenticated},
      {"a name without a mechanism is no login", stranger, 40000, "smtpd", "", "alice", Origin::inbound},
      {"a mechanism without a name: the macro was not asked for", stranger, 40000, "smtpd", "PLAIN", "",
       Origin::nameless},
      {"a name of spaces is none", stranger, 40000, "smtpd", "PLAIN", " ", Origin::nameless},
      {"our network", "198.51.100.7", 40000, "smtpd", "", "", Origin::network},
      {"our network, IPv6", "2001:db8:a:1::5", 40000, "smtpd", "", "", Origin::network},
      {"our network, mapped into IPv6", "::ffff:198.51.100.7", 40000, "smtpd", "", "", Origin::network},
      {"a nameless login from our network is the network's", "198.51.100.7", 40000, "smtpd", "PLAIN", "",
       Origin::network},
      {"a login from our network", "198.51.100.7", 40000, "smtpd", "PLAIN", "alice", Origin::authenticated},
      {"a trusted relay, within our network too", "198.51.100.25", 40000, "smtpd", "", "", Origin::relay},
      {"a trusted relay that logs in", "198.51.100.25", 40000, "smtpd", "PLAIN", "alice", Origin::relay},
      {"Postfix pickup: port 0", "127.0.0.1", 0, "mx1.example.com", "", "", Origin::local},
      {"a port that a proxy does not know", stranger, 0, "smtpd", "", "", Origin::inbound},
      {"a login whose port a proxy does not know", "127.0.0.1", 0, "smtpd", "PLAIN", "alice", Origin::authenticated},
      {"sendmail -bs: no address", "", 40000, "smtpd", "", "", Origin::local},
      {"Sendmail's port for submission", "127.0.0.1", 40000, "MSP", "", "", Origin::local},
      {"another port on loopback", "127.0.0.1", 40000, "MTA", "", "", Origin::inbound},
      {"a daemon's name in other case is another", "127.0.0.1", 40000, "msp", "", "", Origin::inbound},
  };
  for (const auto& row : rows) {
    CAPTURE(row.what);
    auto envelope = envelope_from(row.address, row.port);
    envelope.client.daemon_name = row.daemon;
    envelope.auth_type = row.auth_type;
    envelope.auth_authen = row.auth_authen;
    CHECK(origin_of(rules(), envelope) == row.want);
    CHECK(sender_of(envelope).origin == row.want);
    CHECK(sender_of(envelope).identities.empty() == (row.want == Origin::inbound));
  }
}

TEST_CASE("a login bears user, domain, sender, client and everyone, each in canonical spelling") {
  auto envelope = envelope_from("2001:db8:ffff:1:2:3:4:5");
  envelope.auth_type = "PLAIN";
  envelope.auth_authen = "Alice";
  CHECK(texts(sender_of(envelope)) ==
        "user:alice@example.com user_domain:example.com sender:bob@shop.example sender_domain:shop.example "
        "client:2001:db8:ffff:1::/64 everyone:all");
  CHECK(sender_of(envelope).address == IpAddress::parse("2001:db8:ffff:1:2:3:4:5"));
}

TEST_CASE("the envelope sender of the null sender has no domain") {
  auto envelope = envelope_from("198.51.100.7");
  envelope.mail_from = "<>";
  CHECK(texts(sender_of(envelope)) == "sender:null client:198.51.100.7 everyone:all");
}

TEST_CASE("a login or sender of any length still has its domain") {
  auto envelope = envelope_from(stranger);
  envelope.auth_type = "PLAIN";
  envelope.auth_authen = std::string(300, 'x') + "@Customer.example";
  envelope.mail_from = "<\"@ exempt.example\"" + std::string(300, 'y') + "@shop.example>";
  const auto sender = sender_of(envelope);
  REQUIRE(sender.find(Kind::user_domain));
  REQUIRE(sender.find(Kind::sender_domain));
  CHECK(sender.find(Kind::user_domain)->value == "customer.example");
  CHECK(sender.find(Kind::sender_domain)->value == "shop.example");
  AccountMap accounts;
  accounts.set({Kind::user_domain, "customer.example"}, {"acme", ""});
  REQUIRE(sender_of(envelope, accounts).find(Kind::account));
}

TEST_CASE("a PHP header is believed from here and from a trusted relay, and from nobody else") {
  struct {
    const char* what;
    std::string_view address;
    std::uint16_t port;
    const char* login;
    PhpHeader want;
    std::string_view script;
  } const rows[] = {
      {"local", "127.0.0.1", 0, "", PhpHeader::believed, "script:mx1.example.com/1000:form.php"},
      {"trusted relay", "198.51.100.25", 40000, "", PhpHeader::believed, "script:198.51.100.25/1000:form.php"},
      {"trusted relay with a login", "198.51.100.25", 40000, "web1", PhpHeader::believed,
       "script:198.51.100.25/1000:form.php"},
      {"our network", "198.51.100.7", 40000, "", PhpHeader::not_believed, ""},
      {"a login", stranger, 40000, "alice", PhpHeader::not_believed, ""},
      {"a stranger", stranger, 40000, "", PhpHeader::not_believed, ""},
  };
  for (const auto& row : rows) {
    CAPTURE(row.what);
    auto envelope = envelope_from(row.address, row.port);
    envelope.auth_type = *row.login ? "PLAIN" : "";
    envelope.auth_authen = row.login;
    envelope.php_script = "1000:form.php";
    const auto sender = sender_of(envelope);
    CHECK(sender.php_header == row.want);
    const auto* script = sender.find(Kind::script);
    CHECK((script ? script->text() : "") == row.script);
    CHECK((sender.find(Kind::uid) != nullptr) == (script != nullptr));
    envelope.php_script.reset();
    CHECK(sender_of(envelope).php_header == PhpHeader::absent);
  }
}

TEST_CASE("a script submitted locally bears script, uid and the host as client") {
  auto envelope = envelope_from("127.0.0.1", 0);
  envelope.mail_from = "www-data@mx1.example.com";
  envelope.php_script = "1000:form.php(3) : eval()'d code";
  const auto sender = sender_of(envelope);
  CHECK(texts(sender) ==
        "script:mx1.example.com/1000:form.php uid:mx1.example.com/1000 sender:www-data@mx1.example.com "
        "sender_domain:mx1.example.com client:local/mx1.example.com everyone:all");
  CHECK(sender.php_evaluated);
  CHECK(!sender.address);  // 127.0.0.1 is made up by Postfix: no network of ours means it
}

TEST_CASE("a PHP header that is none is counted as malformed and splits nothing") {
  auto envelope = envelope_from("127.0.0.1", 0);
  envelope.php_script = "form.php";
  const auto sender = sender_of(envelope);
  CHECK(sender.php_header == PhpHeader::malformed);
  CHECK(!sender.find(Kind::script));
  CHECK(!sender.find(Kind::uid));
}

TEST_CASE("an account owns a user by its address, then by its domain, and a uid") {
  AccountMap accounts;
  accounts.set({Kind::user, "alice@example.com"}, {"alice-inc", ""});
  accounts.set({Kind::user_domain, "example.com"}, {"acme", "gold"});
  accounts.set({Kind::uid, "mx1.example.com/1000"}, {"webshop", ""});
  const std::array maps{&std::as_const(accounts)};
  struct {
    Identity identity;
    std::string_view want;
  } const rows[] = {
      {{Kind::user, "alice@example.com"}, "alice-inc"},
      {{Kind::user, "bob@example.com"}, "acme"},
      {{Kind::user_domain, "example.com"}, "acme"},
      {{Kind::user, "alice@other.example"}, ""},
      {{Kind::uid, "mx1.example.com/1000"}, "webshop"},
      {{Kind::script, "mx1.example.com/1000:form.php"}, "webshop"},
      {{Kind::uid, "mx2.example.com/1000"}, ""},
      // What a stranger may type owns nothing.
      {{Kind::sender, "alice@example.com"}, ""},
      {{Kind::sender_domain, "example.com"}, ""},
      {{Kind::client, "192.0.2.1"}, ""},
  };
  for (const auto& row : rows) {
    CAPTURE(row.identity.text());
    const auto* account = account_of(maps, row.identity);
    CHECK((account ? account->name : "") == row.want);
  }
}

TEST_CASE("of two account maps the first that knows an owner decides") {
  AccountMap live, file;
  live.set({Kind::user, "alice@example.com"}, {"new", ""});
  file.set({Kind::user, "alice@example.com"}, {"old", ""});
  file.set({Kind::user, "bob@example.com"}, {"old", ""});
  auto envelope = envelope_from(stranger);
  envelope.auth_type = "PLAIN";
  const std::array maps{&std::as_const(live), &std::as_const(file)};
  envelope.auth_authen = "alice";
  CHECK(identify(rules(), maps, envelope).find(Kind::account)->value == "new");
  envelope.auth_authen = "bob";
  CHECK(identify(rules(), maps, envelope).find(Kind::account)->value == "old");
}

TEST_CASE("each origin has a name, and only local mail and that of relays is held") {
  CHECK(name(Origin::inbound) == "inbound");
  CHECK(name(Origin::nameless) == "nameless");
  for (const auto origin : {Origin::local, Origin::relay}) CHECK(is_held_not_refused(origin));
  for (const auto origin : {Origin::inbound, Origin::authenticated, Origin::network, Origin::nameless})
    CHECK(!is_held_not_refused(origin));
}

}  // namespace
}  // namespace quota
