#include <doctest/doctest.h>

#include "quota/policy.hpp"
#include "tests/support/must.hpp"

namespace quota {
namespace {

Identity identity(std::string_view text) { return must(parse_identity(text)); }
Match match(std::string_view text) { return must(parse_match(text)); }

TEST_CASE("a match means the identity that is charged and nothing else") {
  struct {
    std::string_view match, identity;
    bool want;
  } const rows[] = {
      {"alice@example.com", "user:alice@example.com", true},
      {"ALICE@Example.com.", "user:alice@example.com", true},
      {"alice@example.com", "sender:alice@example.com", true},
      {"alice@example.com", "user:bob@example.com", false},
      {"alice@example.com", "account:alice@example.com", false},  // a bare address is a user's or a sender's
      {"user:alice@example.com", "sender:alice@example.com", false},
      {"sender:alice@example.com", "user:alice@example.com", false},
      {"user:alice", "user:alice", true},
      {"@example.com", "user:alice@example.com", true},
      {"@Example.com.", "user_domain:example.com", true},
      {"@example.com", "sender_domain:example.com", true},
      {"@example.com", "user:alice@sub.example.com", false},
      {"@example.com", "client:192.0.2.1", false},
      {"@example.com", "account:example.com", false},
      {"example.com@", "user:example.com", true},
      {"user_domain:example.com", "user_domain:example.com", true},
      {"user_domain:example.com", "user:alice@example.com", false},
      {"script:mx1/1000:form.php", "script:MX1/1000:Form.php", true},
      {"uid:mx1/1000", "script:mx1/1000:form.php", false},
      {"client:local/mx1", "client:local/mx1", true},
      {"client:192.0.2.1", "client:192.0.2.1", true},
      {"everyone:all", "everyone", true},
  };
  for (const auto& row : rows) {
    CAPTURE(row.match);
    CAPTURE(row.identity);
    CHECK(specificity(match(row.match), {identity(row.identity), {}, {}, {}}).has_value() == row.want);
  }
}

TEST_CASE("a network means clients in it, an account and a plan mean who belongs to them") {
  const auto client = identity("client:192.0.2.1");
  const auto user = identity("user:alice@example.com");
  const auto address = IpAddress::parse("192.0.2.1");
  CHECK(specificity(match("192.0.2.0/24"), {client, address, {}, {}}));
  CHECK(!specificity(match("192.0.3.0/24"), {client, address, {}, {}}));
  CHECK(!specificity(match("192.0.2.0/24"), {user, {}, {}, {}}));
  CHECK(specificity(match("account:Acme"), {user, {}, "acme", {}}));
  CHECK(!specificity(match("account:acme"), {user, {}, "other", {}}));
  CHECK(!specificity(match("account:acme"), {user, {}, {}, {}}));
  CHECK(specificity(match("plan:Gold"), {user, {}, "acme", "gold"}));
  CHECK(!specificity(match("plan:gold"), {user, {}, "acme", {}}));
}

TEST_CASE("of several matches the most specific is an identity, then a network, a domain, an account, a plan") {
  const auto user = identity("user:alice@example.com");
  const auto client = identity("client:192.0.2.1");
  const MatchSubject subject{user, {}, "acme", "gold"};
  const MatchSubject client_subject{client, IpAddress::parse("192.0.2.1"), "acme", "gold"};
  CHECK(*specificity(match("alice@example.com"), subject) > *specificity(match("@example.com"), subject));
  CHECK(*specificity(match("client:192.0.2.1"), client_subject) > *specificity(match("192.0.2.1"), client_subject));
  CHECK(*specificity(match("192.0.2.0/24"), client_subject) > *specificity(match("192.0.0.0/16"), client_subject));
  CHECK(*specificity(match("0.0.0.0/0"), client_subject) > *specificity(match("@example.com"), subject));
  CHECK(*specificity(match("@example.com"), subject) > *specificity(match("account:acme"), subject));
  CHECK(*specificity(match("account:acme"), subject) > *specificity(match("plan:gold"), subject));
}

TEST_CASE("what matches nothing is refused with a sentence that says what to write") {
  for (const std::string text : {"", "alice", "nobody:alice", "account:", "plan: ", "@", "192.0.2.0/33"}) {
    CAPTURE(text);
    CHECK(!parse_match(text).has_value());
  }
  CHECK(parse_match("alice").error() ==
        "'alice' matches nothing: write an address, @domain, a network as in 192.0.2.0/24, account:NAME, plan:NAME or "
        "kind:value");
  CHECK(parse_match("uid:1000").error() ==
        "'uid:1000' is no identity: a uid is HOST/UID; write kind:value, as in user:alice@example.com or "
        "script:mx1.example.com/1000:form.php");
}

TEST_CASE("exempt recipients are found whatever their spelling, and their detail is no spelling") {
  Exemptions exempt;
  exempt.recipients = {match("postmaster@example.com"), match("@abuse.example")};
  for (const auto* address :
       {"<postmaster@example.com>", "Postmaster@EXAMPLE.com.", "<\"postmaster\"@example.com>", "<x@abuse.example>"}) {
    CAPTURE(address);
    CHECK(exempt.covers_recipient(address));
  }
  for (const auto* address :
       {"<postmaster>", "<postmaster@other.example>", "<postmaster+x@example.com>", "<>", "<x@sub.abuse.example>"}) {
    CAPTURE(address);
    CHECK(!exempt.covers_recipient(address));
  }
}

TEST_CASE("a recipient of an exempt domain that an MTA may send on to another one is not exempt") {
  Exemptions exempt;
  exempt.recipients = {match("@example.com"), match("odd!name@example.com")};
  CHECK(exempt.covers_recipient("<anybody@example.com>"));
  CHECK(exempt.covers_recipient("<odd!name@example.com>"));  // this one was named
  for (const auto* address : {"<victim%remote.test@example.com>", "<remote.test!victim@example.com>",
                              "<\"victim@remote.test\"@example.com>", "<victim@remote.test@example.com>",
                              "<@remote.test:victim%other.test@example.com>"}) {
    CAPTURE(address);
    CHECK(!exempt.covers_recipient(address));
  }
}

}  // namespace
}  // namespace quota
