#include "milter/config_sections.hpp"

#include "milter/config_files.hpp"
#include "milter/config_quota.hpp"
#include "quota/text.hpp"

namespace milter {
namespace {

using quota::Network;
using quota::Result;

constexpr Bounds<std::int64_t> hold_bounds{1, 1'000'000};
constexpr Bounds<std::int64_t> script_bounds{1, 1'000'000};

constexpr Word<HoldSettings::Then> then_words[] = {{"discard", HoldSettings::Then::discard},
                                                   {"reject", HoldSettings::Then::reject},
                                                   {"hold", HoldSettings::Then::hold}};
constexpr Word<HoldSettings::Release> release_words[] = {{"manual", HoldSettings::Release::manual}, {"auto", HoldSettings::Release::automatic}};
constexpr Word<LogSettings::Target> target_words[] = {{"auto", LogSettings::Target::automatic},
                                                      {"journal", LogSettings::Target::journal},
                                                      {"syslog", LogSettings::Target::syslog},
                                                      {"stderr", LogSettings::Target::standard_error}};
constexpr Word<LogSettings::Level> level_words[] = {{"debug", LogSettings::Level::debug},
                                                    {"info", LogSettings::Level::info},
                                                    {"warning", LogSettings::Level::warning},
                                                    {"error", LogSettings::Level::error}};
constexpr std::string_view letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
constexpr std::string_view digits = "0123456789";

bool consists_of(std::string_view text, std::string_view allowed) {
  return text.find_first_not_of(allowed) == std::string_view::npos;
}

std::string realm_problem(std::string_view text) {
  const bool is_well = text.size() <= 253 && consists_of(text, std::string(letters) + std::string(digits) + "-._") &&
                       !text.starts_with('.');
  return is_well ? ""
                 : in_quotes(text) + " is no domain; write it as in \"example.com\", or \"\" to leave bare logins bare";
}

std::string delimiter_problem(std::string_view text) {
  const bool is_well = text.size() <= 8 && consists_of(text, "+-=_#%&!*~^$|/?'`");
  return is_well ? "" : in_quotes(text) + " cannot be told from an address; write one or more of + - = _ #, or \"\"";
}

Result<Network, std::string> parse_network(std::string_view text) { return Network::parse(text); }

/// An address or a whole domain.
Result<quota::Match, std::string> parse_mailbox(std::string_view text) {
  const auto match = quota::parse_match(text);
  const bool is_mailbox = match && (match->kind == quota::Match::Kind::domain ||
                                    (match->kind == quota::Match::Kind::identity && !match->of));
  if (is_mailbox) return *match;
  return failed<quota::Match>(in_quotes(text) +
                              " is no address; write it as in \"alice@example.com\" or \"@example.com\"");
}

/// A login: also a bare one, with its kind.
Result<quota::Match, std::string> parse_user(std::string_view text) {
  const auto match = quota::parse_match(text);
  const bool is_user =
      match &&
      (match->kind == quota::Match::Kind::domain ||
       (match->kind == quota::Match::Kind::identity && match->of.value_or(quota::Kind::user) == quota::Kind::user));
  if (is_user) return *match;
  if (match && (match->kind == quota::Match::Kind::account || match->kind == quota::Match::Kind::plan))
    return failed<quota::Match>(in_quotes(text) + " is no login; write [[quota.override]] with match = [" + in_quotes(text) +
                                "] and limits = \"unlimited\" behind each quota that it is to be exempt from");
  return failed<quota::Match>(in_quotes(text) +
                              " is no login; write it as in \"alice@example.com\", \"@example.com\" or \"user:alice\"");
}

Result<std::string, std::string> parse_daemon_name(std::string_view text) {
  if (!text.empty() && text.size() <= 64 && text.find_first_of(" ,\"") == std::string_view::npos)
    return {boost::system::in_place_value, text};
  return failed<std::string>(in_quotes(text) +
                             " is no daemon's name; write the Name= of Sendmail's DAEMON_OPTIONS, as in \"MSA-local\"");
}

template <class T>
void read_list(Section& section, std::string_view key, std::vector<T>& into, Section::Parse<T> parse) {
  if (auto list = section.list<T>(key, parse)) into = std::move(*list);
}

}  // namespace

std::string any_text(std::string_view) { return ""; }

void read_text(Section& section, std::string_view key, std::string& into, std::string (*complaint)(std::string_view)) {
  auto text = section.text(key);
  if (!text) return;
  if (auto wrong = complaint(*text); !wrong.empty()) section.problem(key, std::move(wrong));
  into = std::move(*text);
}

std::string group_problem(std::string_view text) {
  const bool is_name = text.size() <= 32 && consists_of(text, std::string(letters) + std::string(digits) + "_-.$");
  return is_name ? "" : in_quotes(text) + " is no name of a group; write one, or \"\" for the daemon's own";
}

void read_socket_mode(Section& section, unsigned& into) {
  const auto text = section.text("socket_mode");
  if (!text) return;
  const bool is_octal =
      (text->size() == 3 || (text->size() == 4 && text->front() == '0')) && consists_of(*text, "01234567");
  if (!is_octal) {
    section.problem("socket_mode", in_quotes(*text) + " is no mode", "write it in octal digits, as in \"0660\"");
    return;
  }
  into = static_cast<unsigned>(std::stoul(*text, nullptr, 8));
  if ((into & 0600) != 0600 || (into & 0111) != 0)
    section.problem("socket_mode", in_quotes(*text) + " is no mode for a socket",
                    "write \"0660\": the owner reads and writes, nobody executes");
}

void read_milter(Section& section, MilterSettings& into) {
  read_text(section, "listen", into.listen, socket_problem);
  read_socket_mode(section, into.socket_mode);
  read_text(section, "socket_group", into.socket_group, group_problem);
}

void read_identity(Section& section, Config& into, quota::Policy::Parts& parts) {
  auto& rules = parts.identity;
  rules.recipient_delimiter = default_recipient_delimiter;
  read_text(section, "default_realm", rules.default_realm, realm_problem);
  read_text(section, "recipient_delimiter", rules.recipient_delimiter, delimiter_problem);
  read_list<Network>(section, "our_networks", rules.our_networks, parse_network);
  read_list<Network>(section, "trusted_relays", rules.trusted_relays, parse_network);
  for (const auto& relay : rules.trusted_relays)
    if (relay.bits() == 0)
      section.problem("trusted_relays", in_quotes(relay.text()) + " is everybody: any sender could name any script",
                      "write only the addresses of your own servers");
  read_list<std::string>(section, "local_daemon_names", rules.local_daemon_names, parse_daemon_name);
  read_text(section, "accounts", into.accounts_file, any_text);
  const auto most = section.number("max_scripts_per_uid", script_bounds);
  if (most) rules.max_scripts_per_uid = static_cast<std::size_t>(*most);
  if (into.accounts_file.empty()) return;
  into.accounts_state = state_of(resolved(into.accounts_file, section.findings().file_name()));
  parts.accounts = read_accounts(section, into.accounts_file, rules.spelling());
}

void read_exempt(Section& section, quota::Exemptions& into, const quota::Spelling& spelling) {
  read_list<quota::Match>(section, "users", into.users, parse_user);
  read_list<Network>(section, "clients", into.clients, parse_network);
  read_list<quota::Match>(section, "senders", into.senders, parse_mailbox);
  read_list<quota::Match>(section, "recipients", into.recipients, parse_mailbox);
  for (auto& user : into.users)
    if (user.of == quota::Kind::user)
      if (const auto login = quota::parse_identity("user:" + user.value, spelling)) user.value = login->value;
  for (const auto& sender : into.senders)
    if (const auto whole = without_detail(sender, spelling))
      section.problem("senders", in_quotes(sender.value) + " can never match: its detail is cut from every sender", "write " + in_quotes(*whole));
  for (const auto& client : into.clients)
    if (client.bits() == 0)
      section.problem("clients", in_quotes(client.text()) + " exempts everybody",
                      "write networks, or mode = \"observe\" at the top");
}

void read_hold(Section& section, HoldSettings& into) {
  into.max = section.number("max", hold_bounds).value_or(into.max);
  section.word("then", into.then, then_words);
  section.word("release", into.release, release_words);
}

void read_log(Section& section, LogSettings& into) {
  section.word("target", into.target, target_words);
  section.word("level", into.level, level_words);
}

}  // namespace milter
