#include "milter/admin/tcp_socket.hpp"

#include <arpa/inet.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <system_error>

#include "quota/text.hpp"

namespace milter::admin {
namespace {

constexpr int backlog = 128;

union AnyAddress {
  sockaddr plain;
  sockaddr_in v4;
  sockaddr_in6 v6;
};

std::string in_words(int error) { return std::generic_category().message(error); }

std::string quoted(std::string_view text) { return "\"" + std::string(text) + "\""; }

bool is_address(int family, const std::string& host) {
  in6_addr space{};
  return ::inet_pton(family, host.c_str(), &space) == 1;
}

socklen_t fill(const TcpAddress& address, AnyAddress& into) {
  if (address.is_v6()) {
    into.v6.sin6_family = AF_INET6;
    into.v6.sin6_port = htons(address.port);
    ::inet_pton(AF_INET6, address.host.c_str(), &into.v6.sin6_addr);
    return sizeof into.v6;
  }
  into.v4.sin_family = AF_INET;
  into.v4.sin_port = htons(address.port);
  ::inet_pton(AF_INET, address.host.c_str(), &into.v4.sin_addr);
  return sizeof into.v4;
}

}  // namespace

quota::Result<TcpAddress, std::string> TcpAddress::parse(std::string_view text) {
  const auto failed = [](std::string why) { return quota::Result<TcpAddress, std::string>(boost::system::in_place_error, std::move(why)); };
  const std::string example = "; write an address and a port, as in \"127.0.0.1:8025\" or \"[::1]:8025\"";
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return failed(quoted(text) + " has no port" + example);
  auto host = text.substr(0, colon);
  const auto port = quota::parse_number<std::uint16_t>(text.substr(colon + 1));
  if (!port || *port == 0) return failed(quoted(text.substr(colon + 1)) + " is no port from 1 to 65535" + example);
  const bool is_bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (is_bracketed) host = host.substr(1, host.size() - 2);
  TcpAddress address{std::string(host), *port};
  if (!is_address(is_bracketed ? AF_INET6 : AF_INET, address.host)) return failed(quoted(text.substr(0, colon)) + " is no address" + example);
  return address;
}

quota::Result<FileDescriptor, std::string> listen_on(const TcpAddress& address) {
  const auto failed = [&](const char* what) {
    const auto error = errno;
    return quota::Result<FileDescriptor, std::string>(std::string(what) + " " + address.host + " port " + std::to_string(address.port) + ": " + in_words(error));
  };
  AnyAddress any{};
  const auto size = fill(address, any);
  FileDescriptor socket(::socket(any.plain.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket.is_open()) return failed("cannot make a socket for");
  const int yes = 1;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  if (address.is_v6()) ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof yes);
  if (::bind(socket.get(), &any.plain, size) != 0 || ::listen(socket.get(), backlog) != 0) return failed("cannot listen on");
  return socket;
}

quota::Result<Caller, std::string> stranger_at(int tcp_socket) {
  AnyAddress any{};
  socklen_t size = sizeof any;
  if (::getpeername(tcp_socket, &any.plain, &size) != 0) return "cannot tell who connected: " + in_words(errno);
  std::array<char, INET6_ADDRSTRLEN> text{};
  const void* const bytes = any.plain.sa_family == AF_INET6 ? static_cast<const void*>(&any.v6.sin6_addr) : &any.v4.sin_addr;
  if (!::inet_ntop(any.plain.sa_family, bytes, text.data(), text.size())) return "cannot tell who connected: " + in_words(errno);
  return Caller{.user = text.data(), .address = text.data(), .role = Role::none};
}

}  // namespace milter::admin
