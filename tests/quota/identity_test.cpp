#include "quota/identity.hpp"

#include <doctest/doctest.h>

#include <random>
#include <vector>

#include "quota/address.hpp"
#include "quota/encoding.hpp"
#include "tests/support/must.hpp"

namespace quota {
namespace {

using namespace std::string_literals;

constexpr std::string_view how =
    "write kind:value, as in user:alice@example.com or script:mx1.example.com/1000:form.php";

/// `^[A-Za-z0-9@._+=:/%-]{1,160}$`, and every % begins a %XX.
bool is_well_formed(std::string_view value) {
  constexpr std::string_view allowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789@._+=:/%-";
  if (value.empty() || value.size() > 160 || value.find_first_not_of(allowed) != std::string_view::npos) return false;
  for (auto at = value.find('%'); at != std::string_view::npos; at = value.find('%', at + 1))
    if (value.size() < at + 3 ||
        value.substr(at + 1, 2).find_first_not_of("0123456789ABCDEF") != std::string_view::npos)
      return false;
  return true;
}

/// Everything that holds for every identity, however it came about.
void check_canonical(const Identity& identity) {
  CAPTURE(identity.text());
  CHECK(is_well_formed(identity.value));
  CHECK(must(parse_identity(identity.text())) == identity);
}

/// What a hostile client may type: one of the pieces after the other.
class Typist {
 public:
  std::string word(std::size_t most) {
    const auto length = std::uniform_int_distribution<std::size_t>(0, most)(random_);
    std::string out;
    while (out.size() < length) out += piece();
    return out;
  }
  std::size_t upto(std::size_t most) { return std::uniform_int_distribution<std::size_t>(0, most)(random_); }

 private:
  std::string piece() {
    static const std::vector<std::string> pieces{
        "a",          "Z",
        "0",          "@",
        "@x.example", ".",
        ". ",         " ",
        "+",          "+x",
        "-",          "\"",
        "\\",         "\\\"",
        "<",          ">",
        "<>",         "@r:",
        ":",          "/",
        "%",          "%41",
        "%4",         "%zz",
        "{",          "}",
        "*",          "?",
        "[",          "]",
        "\r\n ",      "\n",
        "\t",         "\0"s,
        "\xC3\xA9",   "\xFF",
        "=",          "#",
        "'",          "(1) : eval()'d code",
        "null",       "all",
        "local/",     "192.0.2.1",
        "::1",        "=0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"};
    if (upto(9) == 0) return std::string(1, static_cast<char>(upto(255)));
    return pieces[upto(pieces.size() - 1)];
  }
  std::mt19937_64 random_{11};
};

TEST_CASE("whatever a client types becomes a well-formed identity that reads back as itself") {
  Typist typist;
  for (int i = 0; i < 4000; ++i) {
    const auto raw = typist.word(i % 10 == 0 ? 400 : 30);
    CAPTURE(percent_encoded(raw));
    if (const auto user = user_identity(raw, i % 2 ? "example.com" : "")) {
      check_canonical(*user);
      if (const auto domain = domain_identity(Kind::user_domain, *user)) check_canonical(*domain);
    }
    const auto sender = sender_identity(raw, i % 3 ? "+" : "");
    check_canonical(sender);
    if (const auto domain = domain_identity(Kind::sender_domain, sender)) check_canonical(*domain);
    if (const auto domain = domain_identity(Kind::sender_domain, canonical_address(raw, "+"))) check_canonical(*domain);
    if (const auto script = parse_php_script("1000:" + raw)) {
      check_canonical(script_identity("mx1.example.com", *script));
      check_canonical(script_identity(raw, *script));
      check_canonical(uid_identity(raw, *script));
    }
    check_canonical(local_client_identity(raw));
    if (const auto account = account_identity(raw); !account.value.empty()) check_canonical(account);
  }
}

TEST_CASE("whatever a person types is an identity that reads back as itself, or an error") {
  Typist typist;
  int read_well = 0;
  for (int i = 0; i < 4000; ++i) {
    const auto text =
        std::string(name(all_kinds[typist.upto(all_kinds.size() - 1)])) + ":" + typist.word(i % 10 == 0 ? 400 : 30);
    const auto identity = parse_identity(text);
    if (!identity) continue;
    ++read_well;
    check_canonical(*identity);
  }
  CHECK(read_well > 2000);
}

TEST_CASE("any bytes from none to 64 KiB make a value of at most 160 characters") {
  std::mt19937_64 random(12);
  for (std::size_t length = 1; length <= 65536; length = length < 200 ? length + 1 : length * 2) {
    std::string raw(length, '\0');
    for (auto& c : raw) c = static_cast<char>(std::uniform_int_distribution<int>(0, 255)(random));
    CAPTURE(length);
    if (const auto user = user_identity(raw, "example.com")) check_canonical(*user);
    check_canonical(sender_identity("<" + raw + "@example.com>", "+"));
    check_canonical(script_identity("mx1", {"1000", raw, false}));
  }
  CHECK(!user_identity("", "example.com"));
}

TEST_CASE("two long names are two identities, and one is always the same") {
  const std::string long_name(200, 'a');
  const auto one = sender_identity(long_name + "1@example.com", "");
  CHECK(one != sender_identity(long_name + "2@example.com", ""));
  CHECK(one == sender_identity(long_name + "1@EXAMPLE.com", ""));
  CHECK(one.value.size() == 160);
  CHECK(one.value.starts_with(std::string(95, 'a') + "="));
  // 160 bytes still stand as they are; the next one is the first to be cut.
  CHECK(encoded(std::string(160, 'a')) == std::string(160, 'a'));
  CHECK(encoded(std::string(161, 'a')) == std::string(95, 'a') + "=" + sha256_hex(std::string(161, 'a')));
  for (std::size_t lead = 0; lead < 3; ++lead) {
    CAPTURE(lead);
    CHECK(is_well_formed(encoded(std::string(lead, 'a') + std::string(60, '\xFF'))));  // never cut inside a %XX
  }
}

TEST_CASE("a domain is known of an address of any length") {
  const std::string login = std::string(300, 'x') + "@Example.com";
  CHECK(!domain_identity(Kind::user_domain, *user_identity(login, "")));
  CHECK(domain_identity(Kind::user_domain, canonical_login(login, ""))->text() == "user_domain:example.com");
  CHECK(user_identity("\"a@b\"" + login, "")->domain().empty());  // the head of a long address is none
}

TEST_CASE("every byte that could leave its key, log field or URL is written %XX") {
  CHECK(encoded("a b%{}*?[]\"'\r\n\\|;,<>~\xC3\xA9") ==
        "a%20b%25%7B%7D%2A%3F%5B%5D%22%27%0D%0A%5C%7C%3B%2C%3C%3E%7E%C3%A9");
  CHECK(encoded("Az09@._+=:/-") == "Az09@._+=:/-");
  CHECK(decoded("a%20b%zz%4%41") == "a b%zz%4A");
}

TEST_CASE("all spellings of a login are one identity") {
  for (const auto* raw : {"alice", "Alice@Example.com", "ALICE@EXAMPLE.COM.", " alice ", "alice@"}) {
    CAPTURE(raw);
    CHECK(user_identity(raw, "example.com")->text() == "user:alice@example.com");
  }
  CHECK(!user_identity(" ", "example.com"));
}

TEST_CASE("the null sender is an identity of its own, without a domain") {
  for (const auto* raw : {"<>", "", "< >", "<<>>"}) {
    const auto sender = sender_identity(raw, "+");
    CHECK(sender.text() == "sender:null");
    CHECK(!domain_identity(Kind::sender_domain, sender));
  }
  CHECK(parse_identity("sender:<>")->text() == "sender:null");
}

TEST_CASE("a client is its IPv4 address or its IPv6 /64") {
  const auto client = [](std::string_view text) { return client_identity(*IpAddress::parse(text)).text(); };
  CHECK(client("192.0.2.1") == "client:192.0.2.1");
  CHECK(client("::ffff:192.0.2.1") == "client:192.0.2.1");
  CHECK(client("2001:DB8:1:2:3:4:5:6") == "client:2001:db8:1:2::/64");
  CHECK(client("2001:db8:1:2:ffff::") == "client:2001:db8:1:2::/64");
  CHECK(client("2001:db8:1:3::") == "client:2001:db8:1:3::/64");
  CHECK(local_client_identity("MX1.example.com").text() == "client:local/mx1.example.com");
}

TEST_CASE("a PHP header is uid and script, in every form PHP and forgers write it") {
  struct {
    std::string header;
    std::string_view want;  // script identity on mx1; empty: no header
    bool evaluated = false;
  } const rows[] = {
      {"1000:form.php", "mx1/1000:form.php"},
      {"1000:Form.PHP", "mx1/1000:form.php"},
      {" 01000 : form.php ", "mx1/1000:form.php"},
      {"0:ev.php(1) : eval()'d code", "mx1/0:ev.php", true},
      {"0:ev.php(12) : eval()'d code(3) : eval()'d code", "mx1/0:ev.php", true},
      {"0:Command line code(1) : eval()'d code", "mx1/0:command%20line%20code", true},
      {"0:Standard input code", "mx1/0:standard%20input%20code"},
      {"0:odd(1).php", "mx1/0:odd%281%29.php"},
      {"0:sp ace:\xC3\xA9.php", "mx1/0:sp%20ace:%C3%A9.php"},
      {"1:a\n b.php", "mx1/1:a%20b.php"},
      {"1:a\r\n b.php", "mx1/1:a%20b.php"},
      {"1:a b.php", "mx1/1:a%20b.php"},  // folded or not is one script
      {"4294967295:x.php", "mx1/4294967295:x.php"},
      {"", ""},
      {"form.php", ""},
      {":form.php", ""},
      {"1000:", ""},
      {"1000: ", ""},
      {"1000:(1) : eval()'d code", ""},
      {"www-data:form.php", ""},
      {"-1:form.php", ""},
      {"4294967296:form.php", ""},
  };
  for (const auto& row : rows) {
    CAPTURE(row.header);
    const auto script = parse_php_script(row.header);
    REQUIRE(script.has_value() == !row.want.empty());
    if (!script) continue;
    CHECK(script_identity("MX1", *script).value == row.want);
    CHECK(script->evaluated == row.evaluated);
  }
  const auto huge = parse_php_script("1000:" + std::string(65536, '/'));
  REQUIRE(huge);
  check_canonical(script_identity("mx1.example.com", *huge));
  CHECK(uid_identity("mx1.example.com", *huge).text() == "uid:mx1.example.com/1000");
}

TEST_CASE("what a person types is read in its canonical form") {
  struct {
    std::string_view text, want;
  } const rows[] = {
      {"user:alice@example.com", "user:alice@example.com"},
      {"alice@example.com", "user:alice@example.com"},
      {" USER:Alice@Example.COM. ", "user:alice@example.com"},
      {"user:alice", "user:alice"},
      {"user:al ice@example.com", "user:al%20ice@example.com"},
      {"user:al%20ice@example.com", "user:al%20ice@example.com"},
      {"user:100%@example.com", "user:100%25@example.com"},
      {"user_domain:Example.com.", "user_domain:example.com"},
      {"sender:news@example.com", "sender:news@example.com"},
      {"script:MX1/1000:Form.php", "script:mx1/1000:form.php"},
      {"uid:mx1/1000", "uid:mx1/1000"},
      {"client:192.0.2.1", "client:192.0.2.1"},
      {"client:192.0.2.1/32", "client:192.0.2.1"},
      {"client:::ffff:192.0.2.1", "client:192.0.2.1"},
      {"client:2001:db8::1", "client:2001:db8::/64"},
      {"client:2001:DB8::/64", "client:2001:db8::/64"},
      {"client:local/MX1", "client:local/mx1"},
      {"account:Acme", "account:acme"},
      {"everyone:all", "everyone:all"},
      {"everyone", "everyone:all"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.text);
    CHECK(must(parse_identity(row.text)).text() == row.want);
  }
}

TEST_CASE("what is no identity is refused with a sentence that says what to write") {
  constexpr std::string_view client = "a client is an address, an IPv6 one by its /64, or local/HOST";
  struct {
    std::string_view text, complaint;
  } const rows[] = {
      {"", ""},
      {"alice", ""},
      {"nobody:alice", ""},
      {"usr:alice@example.com", ""},
      {"user:", "the value is empty"},
      {"user: .", "the value is empty"},
      {"script:form.php", "a script is HOST/UID:FILE"},
      {"uid:1000", "a uid is HOST/UID"},
      {"everyone:some", "everyone is written everyone:all"},
      {"client:mx1", client},
      {"client:192.0.2.0/24", client},  // would be one address where a network is meant
      {"client:2001:db8::/32", client},
      {"client:192.0.2.1%00", client},
  };
  for (const auto& row : rows) {
    CAPTURE(row.text);
    const auto identity = parse_identity(row.text);
    REQUIRE(!identity.has_value());
    const auto complaint = row.complaint.empty() ? "" : std::string(row.complaint) + "; ";
    CHECK(identity.error() == "'" + std::string(row.text) + "' is no identity: " + complaint + std::string(how));
  }
}

TEST_CASE("a person's spelling is read as the site means it") {
  const Spelling spelling{"example.com", "+-"};
  struct {
    std::string_view text, want;
  } const rows[] = {
      {"user:Alice", "user:alice@example.com"},
      {"user:alice@", "user:alice@example.com"},
      {"alice@other.example", "user:alice@other.example"},
      {"user:alice+x@example.com", "user:alice+x@example.com"},  // a login is whatever logs in
      {"sender:alice+x@example.com", "sender:alice@example.com"},
      {"sender:alice-x+y@example.com", "sender:alice@example.com"},
      {"sender:-alice@example.com", "sender:-alice@example.com"},  // not the first character
      {"sender:alice@ex-ample.com", "sender:alice@ex-ample.com"},
      {"sender:<>", "sender:null"},
      {"uid:MX1/1000", "uid:mx1/1000"},
      {"uid:2001:db8::1/0", "uid:2001:db8::1/0"},
      {"script:mx1/1000:Form.php", "script:mx1/1000:form.php"},
      {"script:mx1/1000:+others", "script:mx1/1000:+others"},
      {"user_domain:Example.com.", "user_domain:example.com"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.text);
    CHECK(must(parse_identity(row.text, spelling)).text() == row.want);
    CHECK(must(parse_identity(row.want, spelling)).text() == row.want);
  }
}

TEST_CASE("what no message ever bears is refused with what to write instead, but its canonical text still reads back") {
  struct {
    std::string_view text, complaint;
  } const rows[] = {
      {"@example.com", "is a whole domain: write user_domain:example.com for all logins in it, or sender_domain:example.com for all senders"},
      {"sender:@example.com", "is a whole domain: write user_domain:example.com for all logins in it, or sender_domain:example.com for all senders"},
      {"user_domain:@example.com", "is no domain: write user_domain:example.com"},
      {"sender_domain:alice@example.com", "is no domain: write sender_domain:example.com"},
      {"uid:mx1/www-data", "has no number for a uid: write uid:HOST/NUMBER, as in uid:mx1.example.com/1000"},
      {"uid:mx1/0100", "has no number for a uid: write uid:HOST/NUMBER, as in uid:mx1.example.com/1000"},
      {"uid:mx1/1000:form.php", "has no number for a uid: write uid:HOST/NUMBER, as in uid:mx1.example.com/1000"},
      {"script:mx1/form.php", "is no script: write script:HOST/NUMBER:FILE, as in script:mx1.example.com/1000:form.php"},
      {"script:mx1/1000", "is no script: write script:HOST/NUMBER:FILE, as in script:mx1.example.com/1000:form.php"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.text);
    const auto identity = parse_identity(row.text, Spelling{});
    REQUIRE(!identity.has_value());
    CHECK(identity.error() == "'" + std::string(row.text) + "' " + std::string(row.complaint));
    CHECK(parse_identity(row.text).has_value());
  }
}

TEST_CASE("every kind has a name that reads back, and the shared ones are those of many people") {
  for (const Kind kind : all_kinds) CHECK(kind_called(name(kind)) == kind);
  CHECK(!kind_called("User"));
  for (const Kind kind : {Kind::user_domain, Kind::sender_domain, Kind::account, Kind::everyone})
    CHECK(is_shared(kind));
  for (const Kind kind : {Kind::user, Kind::script, Kind::uid, Kind::sender, Kind::client}) CHECK(!is_shared(kind));
}

TEST_CASE("SHA-256 is SHA-256") {
  CHECK(sha256_hex("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(sha256_hex("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

}  // namespace
}  // namespace quota
