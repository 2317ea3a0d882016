#include "milter/fingerprint.hpp"

#include <doctest/doctest.h>

#include <set>

#include "tests/support/example_config.hpp"
#include "tests/support/temporary_folder.hpp"

using namespace milter;

namespace {

constexpr std::string_view example = R"(
mode = "enforce"
[store]
url = "redis://127.0.0.1/0"
[identity]
our_networks = ["192.0.2.0/24", "2001:db8::/32"]
[exempt]
users = ["newsletter@example.com", "@bulk.example.com"]
[[quota]]
name   = "mailbox"
per    = "user"
limits = ["250 messages / 15m", "2000 recipients / 1d burst 500"]
[quota.block]
after  = "300 refusals / 10m"
for    = ["1h", "released"]
[[quota.override]]
match  = ["bulk@example.com"]
limits = ["5000 messages / 1d"]
[[quota]]
name   = "hosts"
per    = ["client"]
limits = "1000 messages / 1h"
)";

std::string edited(std::string_view from, std::string_view to) {
  std::string text(example);
  const auto at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

}  // namespace

TEST_CASE("another spelling, place or wording is the same configuration") {
  const auto want = fingerprint_of(*config_of(example));
  CHECK(want.size() == 12);
  const std::pair<std::string_view, std::string_view> edits[] = {
      {"\nmode", "\n# a comment\nmode"},
      {"250 messages / 15m", "250 messages/15m"},
      {"15m", "900s"},
      {R"("250 messages / 15m", "2000 recipients / 1d burst 500")", R"("2000 recipients / 24h burst 500", "250 messages / 15m")"},
      {R"("192.0.2.0/24", "2001:db8::/32")", R"("2001:db8::/32", "192.0.2.0/24")"},
      {R"("newsletter@example.com", "@bulk.example.com")", R"("@bulk.example.com", "newsletter@example.com")"},
      {"redis://127.0.0.1/0", "memory:"},
      {"[identity]", "[log]\nlevel = \"debug\"\n[reply]\ncontact = \"https://example.com\"\n[admin]\nlisten = \"unix:/run/x\"\n[identity]"},
      {"url =", "timeout = \"50ms\"\nstate_dir = \"/srv/sendquota\"\nprefix = \"sq\"\nurl ="},
      {R"(per    = "user")", R"(per    = ["user"])"},
  };
  for (const auto& row : edits) {
    const auto& [from, to] = row;
    CAPTURE(row.second);
    CHECK(fingerprint_of(*config_of(edited(from, to))) == want);
  }
}

TEST_CASE("whatever decides about a message has a fingerprint of its own") {
  const std::pair<std::string_view, std::string_view> edits[] = {
      {"\nmode = \"enforce\"", "\nmode = \"observe\""},
      {"250 messages", "251 messages"},
      {"burst 500", "burst 501"},
      {"[\"1h\", \"released\"]", "[\"1h\"]"},
      {"300 refusals", "301 refusals"},
      {"300 refusals / 10m\"", "300 refusals / 10m\"\nforget = \"8d\""},
      {"bulk@example.com", "bulk@example.org"},
      {"5000 messages", "unlimited\"] #"},
      {"192.0.2.0/24", "192.0.2.0/25"},
      {"newsletter@", "letter@"},
      {"url =", "on_failure = \"tempfail\"\nurl ="},
      {"url =", "nodes = 3\nurl ="},
      {"per    = \"user\"", "per    = \"sender\""},
      {"name   = \"hosts\"", "name   = \"hosts\"\nmode = \"observe\""},
      {"name   = \"hosts\"", "name   = \"hosts\"\naction = \"reject\""},
      {"name   = \"hosts\"", "name   = \"hosts\"\nwhen = \"smtp\""},
      {"name   = \"hosts\"", "name   = \"hosts\"\nwarn_at = \"70%\""},
      {"[identity]", "[hold]\nmax = 5\n[identity]"},
      {"[identity]", "[hold]\nthen = \"reject\"\n[identity]"},
      {"[identity]", "[identity]\ndefault_realm = \"example.com\""},
      {"[identity]", "[identity]\ntrusted_relays = [\"192.0.2.7\"]"},
      {"[identity]", "[identity]\nmax_scripts_per_uid = 3"},
  };
  std::set<std::string> all{fingerprint_of(*config_of(example))};
  for (const auto& row : edits) {
    const auto& [from, to] = row;
    CAPTURE(row.second);
    CHECK(all.insert(fingerprint_of(*config_of(edited(from, to)))).second);
  }
}

TEST_CASE("the accounts in a file count, their order does not") {
  const test::TemporaryFolder folder;
  const auto fingerprint = [&](const std::string& accounts) {
    test::write_bytes(folder.path() / "accounts", accounts);
    return fingerprint_of(*config_of(edited("[identity]", "[identity]\naccounts = \"" + (folder.path() / "accounts").native() + "\"")));
  };
  const auto one = fingerprint("a@example.com acme gold\nb@example.com acme\n");
  CHECK(fingerprint("# sorted\nb@example.com acme\na@example.com acme gold\n") == one);
  CHECK(fingerprint("a@example.com acme silver\nb@example.com acme\n") != one);
}

TEST_CASE("two daemons of one host are two nodes") {
  StoreSettings settings;
  CHECK(node_name("mx1.example.com", settings) == "mx1.example.com");
  settings.state_dir = "/srv/second";
  const auto second = node_name("mx1.example.com", settings);
  CHECK(second.starts_with("mx1.example.com/"));
  CHECK(second.size() == std::string("mx1.example.com/").size() + 6);
  settings.state_dir = "/srv/third";
  CHECK(node_name("mx1.example.com", settings) != second);
}
