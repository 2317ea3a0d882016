#include "milter/mta/address.hpp"

#include <charconv>
#include <optional>

namespace milter::mta {

namespace {

/// sockaddr_un holds 108 bytes with the terminating NUL.
constexpr std::size_t max_path = 107;

std::optional<std::uint16_t> read_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc{} || end != text.data() + text.size() || port == 0) return std::nullopt;
  return port;
}

std::string_view without_brackets(std::string_view host) {
  return host.starts_with('[') && host.ends_with(']') ? host.substr(1, host.size() - 2) : host;
}

quota::Result<Address, std::string> parse_path(std::string_view path) {
  if (path.empty()) return std::string("a socket path is missing; write unix:/path");
  if (path.size() > max_path) return "the socket path is longer than 107 bytes: " + std::string(path);
  return Address{Address::Family::unix_path, std::string(path), 0};
}

quota::Result<Address, std::string> parse_inet(Address::Family family, std::string_view text) {
  const auto at = text.find('@');
  const auto port = read_port(text.substr(0, at));
  if (!port) return "no port in \"" + std::string(text) + "\"; write inet:port@host";
  const std::string_view loopback = family == Address::Family::inet ? "127.0.0.1" : "::1";
  const auto host = at == std::string_view::npos ? loopback : without_brackets(text.substr(at + 1));
  if (host.empty()) return "no host in \"" + std::string(text) + "\"; write inet:port@host";
  return Address{family, std::string(host), *port};
}

}  // namespace

quota::Result<Address, std::string> parse_address(std::string_view text) {
  if (text.starts_with('/')) return parse_path(text);
  const auto colon = text.find(':');
  const auto kind = text.substr(0, colon);
  const auto rest = colon == std::string_view::npos ? std::string_view{} : text.substr(colon + 1);
  if (kind == "unix" || kind == "local") return parse_path(rest);
  if (kind == "inet") return parse_inet(Address::Family::inet, rest);
  if (kind == "inet6") return parse_inet(Address::Family::inet6, rest);
  return "unknown milter address \"" + std::string(text) + "\"; write unix:/path, inet:port@host or inet6:port@host";
}

}  // namespace milter::mta
