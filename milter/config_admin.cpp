// `[admin]` and `[[admin.token]]`: a part of config.cpp in a file of its own.
#include <algorithm>
#include <set>

#include "milter/admin/tcp_socket.hpp"
#include "milter/config_sections.hpp"
#include "quota/identity.hpp"
#include "quota/text.hpp"

namespace milter {
namespace {

using admin::Role;

constexpr Word<Role> role_words[] = {{"read", Role::read}, {"support", Role::support}, {"admin", Role::admin}};
constexpr std::size_t sha256_digits = 64;
constexpr std::size_t most_tokens = 100;
constexpr std::size_t most_hosts = 100;
constexpr std::string_view name_characters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._@-";
constexpr std::string_view host_characters = "abcdefghijklmnopqrstuvwxyz0123456789.-_";
constexpr const char* how_to_make_one = "make one with: token=$(openssl rand -hex 32); echo $token; printf %s $token | sha256sum";

bool consists_only_of(std::string_view text, std::string_view allowed) { return text.find_first_not_of(allowed) == std::string_view::npos; }

std::string listen_problem(std::string_view text) {
  if (text.starts_with("unix:")) return socket_problem(text);
  return in_quotes(text) + " is no unix socket; write it as in \"unix:/run/sendquota/admin.sock\", and a TCP port, beside it, into admin.tcp";
}

std::string tcp_problem(std::string_view text) {
  if (text.empty()) return "";
  const auto address = admin::TcpAddress::parse(text);
  return address ? "" : address.error();
}

quota::Result<std::string, std::string> parse_host(std::string_view text) {
  auto host = quota::lower(text);
  const bool is_name = !host.empty() && host.size() <= 253 && consists_only_of(host, host_characters) && !host.starts_with('.');
  if (is_name) return {boost::system::in_place_value, std::move(host)};
  return failed<std::string>(in_quotes(text) + " is no name of a host; write it without scheme and port, as in \"quota.example.com\"");
}

std::string name_problem(std::string_view text) {
  const bool is_name = !text.empty() && text.size() <= 64 && consists_only_of(text, name_characters);
  return is_name ? "" : in_quotes(text) + " is no name of a token; write letters, digits, and . _ @ -, as in \"helpdesk\"";
}

std::string hash_problem(std::string_view text) {
  const auto digits = quota::lower(text);
  const bool is_hash = digits.size() == sha256_digits && consists_only_of(digits, "0123456789abcdef");
  return is_hash ? "" : "this is no SHA-256, which has 64 hexadecimal digits; " + std::string(how_to_make_one);
}

void require(Section& section, std::string_view key, const std::string& example) {
  if (!section.has(key)) section.sentence(key, std::string(key) + " is missing", "write it as in " + example);
}

admin::Token read_token(Section& section) {
  admin::Token token;
  require(section, "name", "name = \"helpdesk\"");
  require(section, "role", "role = \"read\", \"support\" or \"admin\"");
  if (!section.has("sha256")) section.sentence("sha256", "sha256 is missing", how_to_make_one);
  read_text(section, "name", token.name, name_problem);
  section.word("role", token.role, role_words);
  read_text(section, "sha256", token.sha256, hash_problem);
  token.sha256 = quota::lower(token.sha256);
  read_text(section, "account", token.account, any_text);
  if (!token.account.empty()) token.account = quota::account_identity(token.account).value;
  section.note_unknown_keys();
  return token;
}

void report_same(Section& section, const admin::Token& token, const std::vector<admin::Token>& others) {
  for (const auto& other : others) {
    if (!token.name.empty() && token.name == other.name) section.problem("name", in_quotes(token.name) + " is another token's name too", "give each its own");
    if (!token.sha256.empty() && token.sha256 == other.sha256) section.problem("sha256", "this is the token " + in_quotes(other.name) + " too", "give each its own");
  }
}

/// Of the reference configuration: nobody knows what would have it.
bool is_placeholder(const admin::Token& token) { return consists_only_of(token.sha256, "0"); }

void read_tokens(Section& section, std::vector<admin::Token>& into) {
  const auto label = [&](const Value::Table&, std::size_t number) {
    return Section::Label{section.label().shown + "token " + std::to_string(number) + ": ", section.label().path + "token."};
  };
  for (auto& part : section.sections("token", label)) {
    auto token = read_token(part);
    report_same(part, token, into);
    into.push_back(std::move(token));
  }
  if (into.size() > most_tokens) section.problem("token", std::to_string(into.size()) + " tokens", "write at most " + std::to_string(most_tokens));
}

}  // namespace

void read_admin(Section& section, AdminSettings& into) {
  read_text(section, "listen", into.listen, listen_problem);
  read_socket_mode(section, into.socket_mode);
  if ((into.socket_mode & 07) != 0)
    section.problem("socket_mode", "everybody on this host could release and block",
                    "write \"0660\", and put administrators into socket_group");
  read_text(section, "socket_group", into.socket_group, group_problem);
  read_text(section, "tcp", into.tcp, tcp_problem);
  if (auto hosts = section.list<std::string>("hosts", parse_host)) into.access.hosts = std::move(*hosts);
  if (into.access.hosts.size() > most_hosts) section.problem("hosts", std::to_string(into.access.hosts.size()) + " names", "write at most " + std::to_string(most_hosts));
  read_tokens(section, into.access.tokens);
  std::erase_if(into.access.tokens, is_placeholder);
  if (!into.tcp.empty() && into.access.tokens.empty())
    section.problem("tcp", "without a token nobody could use it", std::string("add [[admin.token]] with name, role and sha256; ") + how_to_make_one);
}

}  // namespace milter
