#include "quota/store/redis_address.hpp"

#include <algorithm>
#include <boost/asio/ip/address_v6.hpp>
#include <charconv>
#include <optional>
#include <span>

#include "quota/store/redis_address_schemes.hpp"
#include "quota/text.hpp"

namespace quota {
namespace {

using Topology = RedisAddress::Topology;

constexpr std::string_view forms =
    "memory:, redis://host:6379/0, rediss://host:6379/0 (TLS), unix:/run/redis/redis.sock, "
    "redis+sentinel://host1,host2,host3/mymaster/0 or redis+cluster://host1,host2,host3";
constexpr unsigned last_database = 16383;
constexpr std::size_t longest_socket_path = 107;  // sun_path without its NUL
constexpr std::size_t longest_host = 253;
constexpr std::uint16_t redis_port = 6379;
constexpr std::uint16_t sentinel_port = 26379;

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

Result<RedisServerName, Mistake> parse_server(std::string_view text, std::uint16_t usual_port) {
  auto server = parse_host(text);
  if (!server) return server.error();
  server->port = usual_port;
  if (text.empty()) return *server;
  if (!text.starts_with(':')) return Mistake{"after the host stands :PORT or /"};
  const auto port = parse_number<std::uint16_t>(text.substr(1));
  if (!port || *port == 0) return Mistake{"the port must be a number from 1 to 65535, not " + quoted(text.substr(1))};
  server->port = *port;
  return *server;
}

// What follows it may be a password and must not be quoted in any other complaint.
Mistake no_options() {
  return {
      "a ? stands only after the name of a master, as in "
      "redis+sentinel://host1,host2,host3/mymaster/0?sentinel_user=…"};
}

// `HOST[:PORT]`, or where there may be several, those with commas between them.
Result<void, Mistake> parse_seeds(std::string_view text, RedisAddress& into) {
  if (text.find('?') != text.npos) return no_options();
  if (into.topology == Topology::single && text.find(',') != text.npos)
    return Mistake{
        "redis:// and rediss:// name one server; write redis+sentinel://host1,host2,host3/mymaster/0 or "
        "redis+cluster://host1,host2,host3 for several"};
  const auto usual_port = into.topology == Topology::sentinel ? sentinel_port : redis_port;
  for (;;) {
    const auto comma = text.find(',');
    auto server = parse_server(text.substr(0, comma), usual_port);
    if (!server) return server.error();
    if (std::find(into.seeds.begin(), into.seeds.end(), *server) != into.seeds.end())
      return Mistake{"one of the hosts is named twice; write each once"};
    into.seeds.push_back(*server);
    if (comma == text.npos) return {};
    text.remove_prefix(comma + 1);
  }
}

// `[LOGIN@]HOST[:PORT],…`. Of one server the last @ ends the login, as an unencoded @ in a password would have it.
Result<void, Mistake> parse_authority(std::string_view text, RedisAddress& into) {
  if (const auto at = text.rfind('@'); at != text.npos) {
    if (into.topology != Topology::single && text.find('@') != at)
      return Mistake{"the login stands once, before the first host; write %40 for an @ in user or password"};
    auto login = parse_login(text.substr(0, at));
    if (!login) return login.error();
    into.login = *login;
    text.remove_prefix(at + 1);
  }
  return parse_seeds(text, into);
}

struct Option {
  std::string_view name;
  std::string* into;
};

// `NAME=VALUE&…`; `which` says in an error what may stand there.
Result<void, Mistake> parse_options(std::string_view text, std::span<const Option> known, std::string_view which) {
  while (!text.empty()) {
    const auto option = text.substr(0, text.find('&'));
    text.remove_prefix(std::min(text.size(), option.size() + 1));
    const auto equals = option.find('=');
    const auto name = option.substr(0, equals);
    const auto found = std::find_if(known.begin(), known.end(), [&](const Option& one) { return one.name == name; });
    if (found == known.end()) return Mistake{"after the ? only " + std::string(which) + " may stand"};
    const auto value =
        equals == option.npos ? std::optional<std::string>{} : percent_decoded(option.substr(equals + 1));
    if (!value || value->empty())
      return Mistake{std::string(name) +
                     "= needs a value, in which % starts two hex digits (not 00); write %25 for a percent sign"};
    *found->into = *value;
  }
  return {};
}

Result<void, Mistake> read_database(std::string_view text, RedisLogin& into) {
  if (text.empty()) return {};
  auto database = parse_database(text);
  if (!database) return database.error();
  into.database = *database;
  return {};
}

// `MASTER[/DATABASE][?…]`
Result<void, Mistake> parse_sentinel_path(std::string_view text, RedisAddress& into) {
  const auto question = text.find('?');
  const auto path = text.substr(0, question);
  const auto slash = path.find('/');
  const auto name = percent_decoded(path.substr(0, slash));
  if (!name || name->empty())
    return Mistake{
        "after the sentinels stands the name of the master, as in redis+sentinel://host1,host2,host3/mymaster/0"};
  into.master_name = *name;
  if (slash != path.npos)
    if (auto read = read_database(path.substr(slash + 1), into.login); !read) return read;
  if (question == text.npos) return {};
  const Option known[] = {{"sentinel_user", &into.sentinel_login.user},
                          {"sentinel_password", &into.sentinel_login.password}};
  return parse_options(text.substr(question + 1), known, "sentinel_user= and sentinel_password=");
}

Result<void, Mistake> parse_path(std::string_view text, RedisAddress& into) {
  if (into.topology != Topology::sentinel && text.find('?') != text.npos) return no_options();
  switch (into.topology) {
    case Topology::sentinel:
      return parse_sentinel_path(text, into);
    case Topology::cluster:
      if (text.empty() || text == "0") return {};
      return Mistake{"a Cluster has no databases; write nothing after the hosts"};
    case Topology::single:
      break;
  }
  return read_database(text, into.login);
}

// What stands after `SCHEME://`.
Result<RedisAddress, Mistake> parse_tcp(const RedisScheme& scheme, std::string_view text) {
  RedisAddress address{.topology = scheme.topology, .is_tls = scheme.is_tls, .seeds = {}};
  const auto slash = text.find('/');
  const auto path = slash == text.npos ? std::string_view{} : text.substr(slash + 1);
  // Before all else, because an unencoded slash in a password makes nonsense of what stands before it.
  if (path.substr(0, path.find('?')).find('@') != path.npos)
    return Mistake{"after the slash stands no login; write %2F for a slash in user or password"};
  auto authority = parse_authority(text.substr(0, slash), address);
  if (!authority) return authority.error();
  if (auto read = parse_path(path, address); !read) return read.error();
  return address;
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
  RedisAddress address{.seeds = {UnixServer{*path}}};
  if (question == text.npos) return address;
  std::string database;
  const Option known[] = {{"db", &database}, {"user", &address.login.user}, {"password", &address.login.password}};
  auto read = parse_options(text.substr(question + 1), known, "db=, user= and password=");
  if (read) read = read_database(database, address.login);
  if (!read) return read.error();
  return address;
}

Result<RedisAddress, Mistake> parse_any(std::string_view url) {
  const auto blank = [](unsigned char c) { return c <= ' ' || c == 0x7f; };
  if (std::any_of(url.begin(), url.end(), blank))
    return Mistake{"spaces and control characters must be percent-encoded, a space as %20"};
  if (url.starts_with("unix:")) return parse_unix(url.substr(5));
  const auto name = url.substr(0, url.find("://"));
  for (const auto& scheme : redis_schemes)
    if (name == scheme.text && name.size() != url.size()) return parse_tcp(scheme, url.substr(name.size() + 3));
  return Mistake{"the store's address must begin with one of these forms: " + std::string(forms)};
}

}  // namespace

Result<RedisAddress, std::string> RedisAddress::parse(std::string_view url) {
  auto address = parse_any(url);
  if (!address) return {boost::system::in_place_error, address.error().text};
  return *address;
}

}  // namespace quota
