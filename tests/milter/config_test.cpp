// A configuration's text and the finished values it is read into. Whole ones: config_corpus_test.cpp; the files that they name:
// config_files_test.cpp.
#include "tests/milter/config_rig.hpp"

using namespace milter::config_rig;
using namespace std::chrono_literals;

TEST_CASE("an empty configuration is all defaults") {
  const auto config = good("");
  CHECK(config.mode == quota::Mode::enforce);
  CHECK(config.milter == milter::MilterSettings{});
  CHECK(config.store == milter::StoreSettings{});
  CHECK(config.hold == milter::HoldSettings{});
  CHECK(config.admin == milter::AdminSettings{});
  CHECK(config.log == milter::LogSettings{});
  CHECK(config.record == milter::RecordSettings{});
  CHECK(config.notify == milter::NotifySettings{});
  CHECK(config.policy->parts().quotas.empty());
  CHECK(config.policy->parts().mode == quota::Mode::enforce);
  CHECK(config.policy->parts().on_failure == quota::OnFailure::local);
  CHECK(config.policy->parts().identity.recipient_delimiter == "+");
}

TEST_CASE("how many uncovered messages are an incident is a number in a time, or off") {
  struct {
    const char* text;
    std::optional<milter::UncoveredRule> want;
  } const rows[] = {{"1 messages / 1m", milter::UncoveredRule{1, 1min}}, {"5000 messages/1d", milter::UncoveredRule{5000, 24h}}, {"off", std::nullopt}};
  for (const auto& row : rows) {
    CAPTURE(row.text);
    CHECK(good("[notify]\nuncovered = '" + std::string(row.text) + "'\n").notify.uncovered == row.want);
  }
}

TEST_CASE("tokens and hosts are read into finished values, and a token that is nobody's is left out") {
  const auto config = good(R"(
    [admin]
    tcp = "[::1]:8025"
    hosts = ["Quota.Example.com"]
    [[admin.token]]
    name = "nobody"
    role = "admin"
    sha256 = "0000000000000000000000000000000000000000000000000000000000000000"
    [[admin.token]]
    name = "helpdesk"
    role = "support"
    sha256 = "ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef0123456789"
    account = "Acme GmbH"
  )");
  CHECK(config.admin.tcp == "[::1]:8025");
  CHECK(config.admin.access.hosts == std::vector<std::string>{"quota.example.com"});
  CHECK(config.admin.access.tokens ==
        std::vector<milter::admin::Token>{{"helpdesk", milter::admin::Role::support, "abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789",
                                           quota::account_identity("Acme GmbH").value}});
}

TEST_CASE("a quota is read into finished values") {
  const auto config = good(R"(
    [[quota]]
    name   = "mailbox"
    per    = ["script", "user"]
    limits = ["250 messages / 15m burst 100", "300 recipients / message"]
    action = "reject"
    when   = "any"
    mode   = "observe"
    warn_at = "95 %"
    [quota.block]
    after  = "1 refusal / 10s"
    for    = ["90s", "released"]
    forget = "1d"
    action = "quarantine"
    [quota.reply]
    over = "no"
    [[quota.override]]
    match  = ["A@Example.com", "@b.example", "plan:Gold"]
    limits = "none"
  )");
  const auto& quota = config.policy->parts().quotas.at(0);
  CHECK(quota.per == std::vector{quota::Kind::script, quota::Kind::user});
  CHECK(format(quota.limits) == "250 messages / 15m burst 100, 300 recipients / message");
  CHECK(quota.action == quota::Action::reject);
  CHECK(quota.mode == quota::Mode::observe);
  CHECK(quota.warn_at == 95);
  CHECK(quota.block == quota::BlockRule{1, 10s, {{90s}, {}}, std::chrono::days{1}, quota::Action::quarantine});
  CHECK(quota.reply.over == "no");
  REQUIRE(quota.overrides.size() == 1);
  CHECK(quota.overrides[0].limits.kind == quota::Allowance::Kind::none);
  CHECK(quota.overrides[0].match.size() == 3);
  CHECK(quota.overrides[0].match[0] == *quota::parse_match("a@example.com"));
}

TEST_CASE("a bare login of the configuration gets the realm that logins get") {
  const auto config = good(R"(
    [exempt]
    users = ["user:root", "user:bob@other.example", "@bulk.example"]
    [identity]
    default_realm = "example.com"
    [[quota]]
    name   = "mailbox"
    per    = "user"
    limits = "5 messages / 1h"
    [[quota.override]]
    match  = ["user:Alice"]
    limits = "unlimited"
  )");
  const auto& parts = config.policy->parts();
  CHECK(parts.exempt.users[0].value == "root@example.com");
  CHECK(parts.exempt.users[1].value == "bob@other.example");
  CHECK(parts.exempt.users[2].value == "bulk.example");
  CHECK(parts.quotas[0].overrides[0].match[0].value == "alice@example.com");
}

TEST_CASE("a configuration that cannot be read is one problem of the whole file") {
  CHECK(complaints(milter::load_config("/nonexistent/sendquota.toml")) ==
        "/nonexistent/sendquota.toml: cannot be read: No such file or directory; write the path of a configuration, as "
        "in "
        "/etc/sendquota/sendquota.toml\n");
  CHECK(complaints(milter::parse_config(std::string(2'000'000, '#'), "big.toml")).find("larger than 1 MiB") !=
        std::string::npos);
}

TEST_CASE("problems are sorted by line and one problem is one line of text") {
  const auto result = milter::parse_config("[hold]\nthen = \"dr\\u0001op\"\nmax = 0\n[hold2]\n", "test.toml");
  CHECK(complaints(result) ==
        "test.toml:2: hold.then: the text holds a control character; write it in one line without tabs\n"
        "test.toml:3: hold.max: 0 is out of bounds; write a number from 1 to 1000000\n"
        "test.toml:4: hold2: this key is not known; did you mean \"hold\"?\n");
  CHECK(complaints(milter::parse_config("\"a\\nb\" = 1\n", "test.toml")).find("a\\x0ab") != std::string::npos);
}

TEST_CASE("a reload is told which keys need a restart, and only those") {
  const auto running = good("");
  struct {
    const char* text;
    std::vector<std::string> want;
  } const rows[] = {
      {"", {}},
      {"mode = 'observe'\n[log]\nlevel = 'debug'\n[hold]\nmax = 5\n[identity]\ndefault_realm = 'example.com'\n", {}},
      {"[store]\nurl = 'redis://127.0.0.1'\nstate_dir = '/srv'\n", {"store.url", "store.state_dir"}},
      {"[store]\ntimeout = '1s'\non_failure = 'accept'\nnodes = 3\nprefix = 'x'\n",
       {"store.prefix", "store.timeout", "store.on_failure", "store.nodes"}},
      {"[milter]\nlisten = 'unix:/run/x.sock'\nsocket_mode = '0600'\nsocket_group = ''\n",
       {"milter.listen", "milter.socket_mode", "milter.socket_group"}},
      {"[admin]\nlisten = 'unix:/run/y.sock'\nsocket_mode = '0600'\nsocket_group = ''\n",
       {"admin.listen", "admin.socket_mode", "admin.socket_group"}},
      {"[admin]\nhosts = 'quota.example.com'\n[[admin.token]]\nname = 'a'\nrole = 'read'\nsha256 = "
       "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'\n",
       {}},
      {"[admin]\ntcp = '[::1]:8025'\n[[admin.token]]\nname = 'a'\nrole = 'read'\nsha256 = "
       "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'\n",
       {"admin.tcp"}},
      {"[store]\nstate_dir = '/var/lib/sendquota'\n", {}},  // the default, written out
  };
  for (const auto& row : rows) {
    CAPTURE(row.text);
    CHECK(milter::needs_restart(running, good(row.text)) == row.want);
  }
}
