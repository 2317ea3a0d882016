#include "milter/config.hpp"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>

namespace {

namespace fs = std::filesystem;
using milter::Config;
using milter::ConfigResult;
using namespace std::chrono_literals;

const fs::path source_dir = SENDQUOTA_SOURCE_DIR;

std::string content_of(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  REQUIRE_MESSAGE(in.is_open(), path.string());
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

std::vector<fs::path> files_in(const fs::path& dir) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(dir))
    if (entry.path().extension() == ".toml") files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

/// What is printed for a configuration; empty for a good one.
std::string complaints(const ConfigResult& result) { return result ? "" : milter::format(result.error()); }

Config good(std::string_view text) {
  const auto config = milter::parse_config(text, "test.toml");
  REQUIRE_MESSAGE(config.has_value(), complaints(config));
  return *config;
}

/// The corpus names files of its own by relative paths.
class InDirectory {
 public:
  explicit InDirectory(const fs::path& dir) : before_(fs::current_path()) { fs::current_path(dir); }
  ~InDirectory() { fs::current_path(before_); }
  InDirectory(const InDirectory&) = delete;
  InDirectory& operator=(const InDirectory&) = delete;

 private:
  fs::path before_;
};

class TempDir {
 public:
  TempDir() {
    auto name = (fs::temp_directory_path() / "sendquota-config-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~TempDir() { fs::remove_all(path_); }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  std::string file(const std::string& name, const std::string& text, mode_t mode) const {
    const auto path = (path_ / name).string();
    std::ofstream(path) << text;
    REQUIRE(::chmod(path.c_str(), mode) == 0);
    return path;
  }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

}  // namespace

TEST_CASE("every broken configuration of the corpus is refused with exactly its text") {
  const auto dir = source_dir / "tests/config/bad";
  const auto files = files_in(dir);
  CHECK(files.size() >= 70);
  const InDirectory there(dir);
  for (const auto& file : files) {
    CAPTURE(file.filename().string());
    CHECK(complaints(milter::load_config(file.filename().string())) ==
          content_of(fs::path(file).replace_extension(".want")));
  }
}

TEST_CASE("every good configuration of the corpus is taken") {
  for (const auto& file : files_in(source_dir / "tests/config/good"))
    CHECK(complaints(milter::load_config(file.string())) == "");
}

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

TEST_CASE("the reference configuration holds every key") {
  const auto text = content_of(source_dir / "conf/sendquota.toml");
  for (const auto& path : milter::known_config_keys()) {
    const auto key = path.substr(path.rfind('.') + 1);
    const auto part = path.substr(0, path.size() - std::min(path.size(), key.size() + 1));
    const auto header = part.empty() ? 0
                                     : text.find(part == "quota" || part == "quota.override" || part == "admin.token" ? "\n[[" + part + "]]"
                                                                                             : "\n[" + part + "]");
    CAPTURE(path);
    REQUIRE(header != std::string::npos);
    const auto body = text.substr(header, text.find("\n[", header + 2) - header);
    const auto line = body.find("\n" + key);
    const bool is_key =
        line != std::string::npos && body.find_first_not_of(' ', line + 1 + key.size()) == body.find('=', line + 1);
    const bool is_section =
        text.find("\n[" + path + "]") != std::string::npos || text.find("\n[[" + path + "]]") != std::string::npos;
    CHECK((is_key || is_section));
  }
}

TEST_CASE("the reference configuration holds every key with its true default") {
  const auto reference = milter::load_config((source_dir / "conf/sendquota.toml").string());
  REQUIRE_MESSAGE(reference.has_value(), complaints(reference));
  const auto defaults = good("");
  CHECK(reference->mode == quota::Mode::observe);  // the one difference, which the file states
  CHECK(reference->milter == defaults.milter);
  CHECK(reference->store == defaults.store);
  CHECK(reference->accounts_file == defaults.accounts_file);
  CHECK(reference->hold == defaults.hold);
  CHECK(reference->admin == defaults.admin);
  CHECK(reference->log == defaults.log);
  CHECK(reference->notify == defaults.notify);
  CHECK(
      (reference->reply.over + reference->reply.blocked + reference->reply.too_big + reference->reply.contact).empty());
  const auto& identity = reference->policy->parts().identity;
  const auto& default_identity = defaults.policy->parts().identity;
  CHECK(identity.default_realm == default_identity.default_realm);
  CHECK(identity.recipient_delimiter == default_identity.recipient_delimiter);
  CHECK(identity.our_networks == default_identity.our_networks);
  CHECK(identity.trusted_relays == default_identity.trusted_relays);
  CHECK(identity.local_daemon_names == default_identity.local_daemon_names);
  CHECK(identity.max_scripts_per_uid == default_identity.max_scripts_per_uid);
  const auto& exempt = reference->policy->parts().exempt;
  CHECK((exempt.users.empty() && exempt.clients.empty() && exempt.senders.empty() && exempt.recipients.empty()));
}

TEST_CASE("the first quota of the reference configuration holds the true defaults of a quota") {
  const auto reference = milter::load_config((source_dir / "conf/sendquota.toml").string());
  REQUIRE(reference.has_value());
  const auto bare = good(
      "[[quota]]\nname = 'a'\nper = 'user'\nlimits = '1 message / 1s'\n[quota.block]\nafter = '300 refusals / "
      "10m'\nfor = '1h'\n");
  const auto& written = reference->policy->parts().quotas.front();
  const auto& implied = bare.policy->parts().quotas.front();
  CHECK(written.action == implied.action);
  CHECK(written.when == implied.when);
  CHECK(written.mode == implied.mode);
  CHECK(written.warn_at == implied.warn_at);
  CHECK(written.block->forget == implied.block->forget);
  CHECK(written.block->action == implied.block->action);
  CHECK((written.reply.over + written.reply.blocked + written.reply.too_big + written.reply.contact).empty());
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

TEST_CASE("the account file is read from the configuration's own directory") {
  const TempDir dir;
  dir.file("owners", "@acme.example acme gold\n", 0644);
  const auto path = dir.file("sendquota.toml", "[identity]\naccounts = \"owners\"\n", 0644);
  const auto config = milter::load_config(path);
  REQUIRE_MESSAGE(config.has_value(), complaints(config));
  const auto* account = config->policy->parts().accounts.find({quota::Kind::user_domain, "acme.example"});
  REQUIRE(account != nullptr);
  CHECK(account->plan == "gold");
}

TEST_CASE("a password file holds one line, and not everybody may read it") {
  const TempDir dir;
  struct {
    const char* text;
    mode_t mode;
    std::string want;
  } const rows[] = {
      {"s3cret\n", 0640, ""},
      {"with spaces \r\n", 0600, ""},  // only the line's end is cut
      {"s3cret\n", 0644, "everybody on this host may use FILE; run chmod o= on it"},
      {"\n", 0640, "FILE is empty; write the password into its first line"},
      {"one\ntwo\n", 0640, "FILE has several lines; keep the one with the password"},
  };
  for (auto row : rows) {
    const auto file = dir.file("password", row.text, row.mode);
    if (const auto at = row.want.find("FILE"); at != std::string::npos) row.want.replace(at, 4, file);
    const auto result =
        milter::parse_config("[store]\nurl = 'redis://127.0.0.1'\npassword_file = '" + file + "'\n", "test.toml");
    CHECK(complaints(result) == (row.want.empty() ? "" : "test.toml:3: store.password_file: " + row.want + "\n"));
  }
  const auto file = dir.file("password", "with spaces \r\n", 0600);
  CHECK(good("[store]\nurl = 'redis://127.0.0.1'\npassword_file = '" + file + "'\n").store.password == "with spaces ");
}

TEST_CASE("a password stands either in the address or in a file") {
  const TempDir dir;
  const auto file = dir.file("password", "s3cret\n", 0600);
  const auto result =
      milter::parse_config("[store]\nurl = 'redis://:other@127.0.0.1'\npassword_file = '" + file + "'\n", "test.toml");
  CHECK(complaints(result) ==
        "test.toml:3: store.password_file: store.url holds a password already; keep one of the two\n");
}

TEST_CASE("the sentinels have a password of their own") {
  const TempDir dir;
  const auto file = dir.file("password", "s3cret\n", 0600);
  const auto config = good("[store]\nurl = 'redis+sentinel://s1,s2/m'\nsentinel_password_file = '" + file + "'\n");
  CHECK(config.store.sentinel_password == "s3cret");
  CHECK(config.store.password.empty());
  const auto other = dir.file("other", "changed\n", 0600);
  std::filesystem::rename(other, file);
  const auto fresh = good("[store]\nurl = 'redis+sentinel://s1,s2/m'\nsentinel_password_file = '" + file + "'\n");
  CHECK(milter::needs_restart(config, fresh) ==
        std::vector<std::string>{"store.sentinel_password_file (its content)"});
}

TEST_CASE("files for TLS are found beside the configuration, and another path needs a restart") {
  const TempDir dir;
  const auto config_file = dir.file("sendquota.toml", "", 0600);
  (void)dir.file("ca.crt", content_of(source_dir / "tests/config/good/ca.crt"), 0600);
  const auto with = [&](const std::string& line) {
    const auto parsed = milter::parse_config("[store]\nurl = 'rediss://localhost'\n" + line, config_file);
    REQUIRE_MESSAGE(parsed.has_value(), complaints(parsed));
    return *parsed;
  };
  CHECK(with("tls_ca = 'ca.crt'\n").store.tls.ca == fs::path(config_file).replace_filename("ca.crt"));
  CHECK(milter::needs_restart(with(""), with("tls_ca = 'ca.crt'\n")) == std::vector<std::string>{"store.tls_ca"});
}

TEST_CASE("a configuration that cannot be read is one problem of the whole file") {
  CHECK(complaints(milter::load_config("/nonexistent/sendquota.toml")) ==
        "/nonexistent/sendquota.toml: cannot be read: No such file or directory; write the path of a configuration, as "
        "in "
        "/etc/sendquota/sendquota.toml\n");
  CHECK(complaints(milter::parse_config(std::string(2'000'000, '#'), "big.toml")).find("larger than 1 MiB") !=
        std::string::npos);
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

TEST_CASE("problems are sorted by line and one problem is one line of text") {
  const auto result = milter::parse_config("[hold]\nthen = \"dr\\u0001op\"\nmax = 0\n[hold2]\n", "test.toml");
  CHECK(complaints(result) ==
        "test.toml:2: hold.then: the text holds a control character; write it in one line without tabs\n"
        "test.toml:3: hold.max: 0 is out of bounds; write a number from 1 to 1000000\n"
        "test.toml:4: hold2: this key is not known; did you mean \"hold\"?\n");
  CHECK(complaints(milter::parse_config("\"a\\nb\" = 1\n", "test.toml")).find("a\\x0ab") != std::string::npos);
}

TEST_CASE("no mutation of a good configuration crashes the reader, and each refusal says something") {
  const auto seed = content_of(source_dir / "conf/sendquota.toml");
  std::minstd_rand random(20261122);
  const auto below = [&](std::size_t bound) { return static_cast<std::size_t>(random()) % bound; };
  const std::string_view pieces[] = {"[",
                                     "]",
                                     "[[",
                                     "\"",
                                     "'",
                                     "=",
                                     "\n",
                                     "{",
                                     "}",
                                     "#",
                                     "0",
                                     "-1",
                                     "99999999999999999999",
                                     "1e400",
                                     "\\",
                                     "\xff",
                                     "inf",
                                     "[[quota]]\n",
                                     "1979-05-27",
                                     "true",
                                     ",",
                                     "."};
  for (int round = 0; round < 1500; ++round) {
    auto text = seed;
    for (auto edits = 1 + below(4); edits > 0; --edits) {
      const auto at = below(text.size());
      switch (below(4)) {
        case 0:
          text.erase(at, 1 + below(20));
          break;
        case 1:
          text.insert(at, pieces[below(std::size(pieces))]);
          break;
        case 2:
          text[at] = static_cast<char>(below(256));
          break;
        default:
          text.insert(at, text.substr(below(text.size()), below(200)));
      }
    }
    const auto result = milter::parse_config(text, "test.toml");
    if (result)
      CHECK(result->policy != nullptr);
    else
      CHECK(!complaints(result).empty());
  }
}
