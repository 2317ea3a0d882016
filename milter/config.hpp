// Config: everything that an administrator decides, as finished values. Immutable once made: a reload makes a new one
// and swaps the pointer, or reports all problems and keeps the old. The defaults below are the only place where they
// are written; conf/sendquota.toml quotes them, and a test compares.
//
// Files that the configuration names are read with it: `identity.accounts`, the passwords of `[store]` (not readable by
// everybody, one line) and the files for TLS, which are only tried out. A relative path is relative to the configuration's own
// directory. The account file is followed without a reload (account_watch.hpp).
// Known limit: users and groups are not looked up here, and no socket is opened; the daemon finds that out at its
// start.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "milter/admin/access.hpp"
#include "milter/config_problem.hpp"
#include "milter/file_state.hpp"
#include "quota/history.hpp"
#include "quota/policy.hpp"
#include "quota/result.hpp"
#include "quota/store/tls_context.hpp"

namespace milter {

struct MilterSettings {
  std::string listen = "unix:/var/spool/postfix/sendquota/milter.sock";  ///< libmilter's notation
  unsigned socket_mode = 0660;
  std::string socket_group = "postfix";  ///< empty: the daemon's own
  bool operator==(const MilterSettings&) const = default;
};

struct StoreSettings {
  std::string url = "memory:";
  std::string password_file{};
  std::string password{};  ///< what the file holds
  std::string sentinel_password_file{};
  std::string sentinel_password{};  ///< likewise
  quota::TlsFiles tls{};            ///< with whole paths
  std::string prefix = "sendquota";
  quota::Milliseconds timeout{100};  ///< the longest that the store may hold a message
  quota::OnFailure on_failure = quota::OnFailure::local;
  std::optional<std::int64_t> nodes{};  ///< empty: `auto`
  std::string state_dir = "/var/lib/sendquota";
  bool operator==(const StoreSettings&) const = default;
};

struct HoldSettings {
  enum class Then : std::uint8_t { discard, reject, hold };
  std::int64_t max = 10'000;  ///< per identity and host
  Then then = Then::discard;
  enum class Release : std::uint8_t { manual, automatic };
  Release release = Release::manual;
  bool operator==(const HoldSettings&) const = default;
};

struct AdminSettings {
  std::string listen = "unix:/run/sendquota/admin.sock";
  unsigned socket_mode = 0660;
  std::string socket_group = "sendquota";
  std::string tcp{};        ///< `127.0.0.1:8025`; empty: the unix socket only
  admin::Access access{};
  bool operator==(const AdminSettings&) const = default;

  /// What stands behind `unix:`.
  [[nodiscard]] std::string path() const { return listen.substr(listen.find(':') + 1); }
};

struct LogSettings {
  enum class Target : std::uint8_t { automatic, journal, syslog, standard_error };
  enum class Level : std::uint8_t { debug, info, warning, error };
  Target target = Target::automatic;
  Level level = Level::info;
  bool operator==(const LogSettings&) const = default;
};

/// How many messages of one host that no quota covers, within which time, are an incident.
struct UncoveredRule {
  std::int64_t messages = 100;
  quota::Milliseconds within = std::chrono::minutes{10};
  bool operator==(const UncoveredRule&) const = default;
};

struct NotifySettings {
  std::string command{};
  std::vector<std::string> on{"blocked", "first_hold", "degraded"};            ///< are told at once
  std::vector<std::string> daily{"warned", "new_script", "many_uncovered"};  ///< stand in `sendquota report`
  std::optional<UncoveredRule> uncovered = UncoveredRule{};                 ///< empty: off
  bool addresses = false;  ///< whole recipient addresses, or domains only
  bool operator==(const NotifySettings&) const = default;
};

/// What is kept of who sent what, for people. Nothing is judged by it.
struct RecordSettings {
  std::string url = "store";  ///< `store`, `off`, or a Redis of its own
  std::vector<quota::Kind> per{quota::Kind::user, quota::Kind::user_domain, quota::Kind::script, quota::Kind::uid, quota::Kind::client, quota::Kind::account};
  quota::HistoryBounds bounds{};
  quota::Milliseconds write_every = std::chrono::seconds{5};
  bool subject = true;
  bool message_id = true;  ///< a mark of it
  std::vector<std::string> evidence_headers{};  ///< lower case
  std::size_t recipients = 3;  ///< addresses kept of one message
  bool operator==(const RecordSettings&) const = default;

  [[nodiscard]] bool is_on() const { return url != "off"; }
  [[nodiscard]] bool needs_headers() const { return is_on() && bounds.messages > 0 && (subject || message_id || !evidence_headers.empty()); }
};

/// `identity.recipient_delimiter`.
inline constexpr std::string_view default_recipient_delimiter = "+";

struct Config {
  std::string file_name{};
  quota::Mode mode = quota::Mode::enforce;  ///< also in the policy
  MilterSettings milter{};
  StoreSettings store{};
  std::string accounts_file{};
  FileState accounts_state{};  ///< of that file, a moment before it was read
  quota::ReplyTexts reply{};  ///< `[reply]`; those of single quotas are in the policy
  HoldSettings hold{};
  AdminSettings admin{};
  LogSettings log{};
  RecordSettings record{};
  NotifySettings notify{};
  std::shared_ptr<const quota::Policy> policy{};  ///< never null in a Config that was parsed
};

using ConfigResult = quota::Result<Config, std::vector<Problem>>;

/// Reads a configuration file and the files that it names. Errors: every problem at once, by file and line.
[[nodiscard]] ConfigResult load_config(const std::string& path);

/// Likewise, from a text; `file_name` is for the problems and for relative paths. Throws nothing.
[[nodiscard]] ConfigResult parse_config(std::string_view text, const std::string& file_name);

/// The same configuration with other accounts.
[[nodiscard]] Config with_accounts(const Config& config, quota::AccountMap accounts, const FileState& state);

/// What is wrong with `store.url` and what to write instead; empty where nothing is.
[[nodiscard]] std::string store_url_problem(std::string_view url);

/// The keys that changed and cannot be changed while the daemon runs, as in `store.url`: the reload is to be refused.
[[nodiscard]] std::vector<std::string> needs_restart(const Config& running, const Config& fresh);

/// Each key that is read anywhere, as in `store.url` and `quota.block.after`.
[[nodiscard]] std::vector<std::string> known_config_keys();

}  // namespace milter
