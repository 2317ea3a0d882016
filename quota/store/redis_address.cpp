#include "quota/store/redis_address.hpp"

#include <algorithm>
#include <boost/asio/ip/address_v6.hpp>
#include <charconv>
#include <optional>

#include "quota/encoding.hpp"
#include "quota/text.hpp"

namespace quota {
namespace {

constexpr std::string_view forms = "memory:, redis://host:6379/0 or unix:/run/redis/redis.sock";
constexpr unsigned last_database = 16383;
constexpr std::size_t longest_socket_path = 107;  // sun_path without its NUL
constexpr std::size_t longest_host = 253;

// A sentence of its own type, for Boost takes a bare string for any struct that begins with one.
struct Mistake {
  std::string text;
};

std::string quoted(std::string_view text) { return '"' + std::string(text) + '"'; }

std::optional<char> hex_pair(std::string_view two) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(two.data(), two.data() + two.size(), value, 16);
  if (two.size() != 2 || error != std::errc{} || end != two.data() + 2 || value == 0) return {};
  return static_cast<char>(value);
}

// The text with each %XX replaced; nothing when a % is not followed by two hex digits or means NUL.
std::optional<std::string> percent_decoded(std::string_view text) {
  std::string decoded;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '%') {
      decoded += text[at];
      continue;
    }
    const auto byte = hex_pair(text.substr(at + 1, 2));
    if (!byte) return {};
    decoded += *byte;
    at += 2;
  }
  return decoded;
}

Result<unsigned, Mistake> parse_database(std::string_view text) {
  if (const auto database = parse_number<unsigned>(text); database && *database <= last_database) return *database;
  return Mistake{"the database must be a number from 0 to " + std::to_string(last_database) + ", not " + quoted(text)};
}

// `[USER]:PASSWORD`, or `USER` alone
Result<RedisLogin, Mistake> parse_login(std::string_view text) {
  const auto colon = text.find(':');
  const auto user = percent_decoded(text.substr(0, colon));
  const auto password = percent_decoded(colon == text.npos ? std::string_view{} : text.substr(colon + 1));
  if (!user || !password)
    return Mistake{"in user and password, % starts two hex digits (not 00); write %25 for a percent sign"};
  if (password->empty() && (colon != text.npos || user->empty()))
    return Mistake{"the password is empty; leave out everything up to the @, or write one"};
  return RedisLogin{.user = *user, .password = *password};
}

bool may_be_host(std::string_view host) {
  return !host.empty() && host.size() <= longest_host && std::all_of(host.begin(), host.end(), [](unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
           c == '_';
  });
}

// A host in brackets or without, cut off the front of `rest`.
Result<TcpServer, Mistake> parse_host(std::string_view& rest) {
  if (rest.starts_with('[')) {
    const auto end = rest.find(']');
    const auto host = percent_decoded(rest.substr(1, end == rest.npos ? rest.npos : end - 1));
    boost::system::error_code wrong;
    if (host) boost::asio::ip::make_address_v6(*host, wrong);
    if (end == rest.npos || !host || wrong)
      return Mistake{"between brackets stands an IPv6 address, as in redis://[::1]:6379/0"};
    rest.remove_prefix(end + 1);
    return TcpServer{.host = *host};
  }
  if (std::count(rest.begin(), rest.end(), ':') > 1)
    return Mistake{"write an IPv6 address in brackets, as in redis://[::1]:6379/0"};
  const auto host = rest.substr(0, rest.find(':'));
  if (host.empty()) return Mistake{"the host is missing; write for example redis://localhost:6379/0"};
  if (!may_be_host(host)) return Mistake{quoted(host) + " is no host name; write for example redis://localhost:6379/0"};
  rest.remove_prefix(host.size());
  return TcpServer{.host = std::string(host)};
}

Result<TcpServer, Mistake> parse_server(std::string_view text) {
  auto server = parse_host(text);
  if (!server || text.empty()) return server;
  if (!text.starts_with(':')) return Mistake{"after the host stands :PORT or /DATABASE"};
  const auto port = parse_number<std::uint16_t>(text.substr(1));
  if (!port || *port == 0) return Mistake{"the port must be a number from 1 to 65535, not " + quoted(text.substr(1))};
  server->port = *port;
  return server;
}

// What stands after `redis://`. The last @ before the first slash ends the login, as an unencoded @ in a password would
// have it.
Result<RedisAddress, Mistake> parse_tcp(std::string_view text) {
  RedisAddress address;
  const auto slash = text.find('/');
  if (slash != text.npos && text.find('@', slash) != text.npos)
    return Mistake{"after the slash stands the database; write %2F for a slash in user or password"};
  auto authority = text.substr(0, slash);
  if (const auto at = authority.rfind('@'); at != authority.npos) {
    auto login = parse_login(authority.substr(0, at));
    if (!login) return login.error();
    address.login = *login;
    authority.remove_prefix(at + 1);
  }
  auto server = parse_server(authority);
  if (!server) return server.error();
  address.server = *server;
  if (slash == text.npos || slash + 1 == text.size()) return address;
  auto database = parse_database(text.substr(slash + 1));
  if (!database) return database.error();
  address.login.database = *database;
  return address;
}

Result<void, Mistake> apply_option(std::string_view option, RedisLogin& login) {
  const auto equals = option.find('=');
  const auto name = option.substr(0, equals);
  const auto value = equals == option.npos ? std::optional<std::string>{} : percent_decoded(option.substr(equals + 1));
  if (name != "db" && name != "user" && name != "password")
    return Mistake{"after the ? of a unix: address only db=, user= and password= may stand"};
  if (!value || value->empty())
    return Mistake{std::string(name) +
                   "= needs a value, in which % starts two hex digits (not 00); write %25 for a percent sign"};
  if (name == "user") login.user = *value;
  if (name == "password") login.password = *value;
  if (name != "db") return {};
  auto database = parse_database(*value);
  if (!database) return database.error();
  login.database = *database;
  return {};
}

// What stands after `unix:`.
Result<RedisAddress, Mistake> parse_unix(std::string_view text) {
  if (text.starts_with("///")) text.remove_prefix(2);
  const auto question = text.find('?');
  const auto path = percent_decoded(text.substr(0, question));
  if (!path || !path->starts_with('/') || path->starts_with("//"))
    return Mistake{"after unix: stands an absolute path, as in unix:/run/redis/redis.sock"};
  if (path->size() > longest_socket_path)
    return Mistake{"the path of a unix socket has at most " + std::to_string(longest_socket_path) + " bytes"};
  RedisAddress address{.server = UnixServer{*path}, .login = {}};
  auto options = question == text.npos ? std::string_view{} : text.substr(question + 1);
  while (!options.empty()) {
    const auto option = options.substr(0, options.find('&'));
    options.remove_prefix(std::min(options.size(), option.size() + 1));
    if (auto applied = apply_option(option, address.login); !applied) return applied.error();
  }
  return address;
}

// Of an IPv6 address only the sign before its zone needs encoding.
std::string bracketed(const std::string& host) {
  const auto percent = host.find('%');
  if (percent == host.npos) return '[' + host + ']';
  return '[' + host.substr(0, percent) + "%25" + host.substr(percent + 1) + ']';
}

std::string printed(const TcpServer& server, const RedisLogin& login) {
  const auto host = server.host.find(':') == server.host.npos ? server.host : bracketed(server.host);
  const auto user = login.user.empty() ? "" : percent_encoded(login.user) + '@';
  return "redis://" + user + host + ':' + std::to_string(server.port) + '/' + std::to_string(login.database);
}

std::string printed(const UnixServer& server, const RedisLogin& login) {
  std::string text = "unix:" + percent_encoded(server.path);
  if (login.database != 0) text += "?db=" + std::to_string(login.database);
  if (!login.user.empty()) text += (login.database != 0 ? "&user=" : "?user=") + percent_encoded(login.user);
  return text;
}

Result<RedisAddress, Mistake> parse_any(std::string_view url) {
  const auto blank = [](unsigned char c) { return c <= ' ' || c == 0x7f; };
  if (std::any_of(url.begin(), url.end(), blank))
    return Mistake{"spaces and control characters must be percent-encoded, a space as %20"};
  if (url.starts_with("redis://")) return parse_tcp(url.substr(8));
  if (url.starts_with("unix:")) return parse_unix(url.substr(5));
  const auto scheme = url.substr(0, url.find(':'));
  for (const std::string_view later :
       {"rediss", "redis+sentinel", "rediss+sentinel", "redis+cluster", "rediss+cluster"})
    if (scheme == later)
      return Mistake{std::string(later) + ":// is not known to this version; write " + std::string(forms)};
  return Mistake{"the store's address must begin with one of these forms: " + std::string(forms)};
}

}  // namespace

Result<RedisAddress, std::string> RedisAddress::parse(std::string_view url) {
  auto address = parse_any(url);
  if (!address) return {boost::system::in_place_error, address.error().text};
  return *address;
}

std::string RedisAddress::printable() const {
  return std::visit([this](const auto& where) { return printed(where, login); }, server);
}

}  // namespace quota
