#include "milter/mta/socket.hpp"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <system_error>
#include <utility>

namespace milter::mta {

namespace {

using Kind = ClientError::Kind;

ClientError system_error(Kind kind, int error) { return {kind, std::generic_category().message(error)}; }

ClientError broken_by(int error) {
  const bool ended = error == EPIPE || error == ECONNRESET;
  return ended ? ClientError{Kind::closed, "the milter closed the connection"} : system_error(Kind::broken, error);
}

ClientError not_connected_by(int error) {
  const bool is_denied = error == EACCES || error == EPERM;
  return system_error(is_denied ? Kind::denied : Kind::cannot_connect, error);
}

/// Rounded up, so that a poll never returns just before the deadline and spins.
int milliseconds_until(Deadline deadline) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
  return static_cast<int>(std::clamp<long long>(left.count(), 0, 3'600'000));
}

struct FreeAddresses {
  void operator()(addrinfo* list) const noexcept { freeaddrinfo(list); }
};

int new_socket(int family) { return ::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0); }

}  // namespace

Socket::Socket(Socket&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}

Socket& Socket::operator=(Socket&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  return *this;
}

Socket::~Socket() { close(); }

void Socket::close() noexcept {
  if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
}

quota::Result<Socket, ClientError> Socket::open(const Address& address, Deadline deadline) {
  return address.family == Address::Family::unix_path ? open_unix(address, deadline) : open_inet(address, deadline);
}

quota::Result<Socket, ClientError> Socket::open_unix(const Address& address, Deadline deadline) {
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  if (address.place.size() >= sizeof name.sun_path)
    return ClientError{Kind::bad_address, "the socket path is too long"};
  std::memcpy(name.sun_path, address.place.c_str(), address.place.size() + 1);
  Socket socket(new_socket(AF_UNIX));
  if (const auto connected = socket.connect(&name, sizeof name, deadline); !connected) return connected.error();
  return socket;
}

quota::Result<Socket, ClientError> Socket::open_inet(const Address& address, Deadline deadline) {
  addrinfo hints{};
  hints.ai_family = address.family == Address::Family::inet ? AF_INET : AF_INET6;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  const auto port = std::to_string(address.port);
  if (const int error = getaddrinfo(address.place.c_str(), port.c_str(), &hints, &list); error != 0)
    return ClientError{Kind::cannot_connect, address.place + ": " + gai_strerror(error)};
  const std::unique_ptr<addrinfo, FreeAddresses> owner(list);
  ClientError last{Kind::cannot_connect, address.place + ": no address"};
  for (const auto* one = list; one != nullptr; one = one->ai_next) {
    Socket socket(new_socket(one->ai_family));
    const auto connected = socket.connect(one->ai_addr, one->ai_addrlen, deadline);
    // A load generator must measure the milter, not Nagle's wait for an ACK.
    const int on = 1;
    if (connected) setsockopt(socket.descriptor_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connected) return socket;
    last = connected.error();
  }
  return last;
}

quota::Result<void, ClientError> Socket::connect(const void* address, std::size_t size, Deadline deadline) {
  if (descriptor_ < 0) return system_error(Kind::broken, errno);
  const auto* name = static_cast<const sockaddr*>(address);
  if (::connect(descriptor_, name, static_cast<socklen_t>(size)) == 0) return {};
  // EAGAIN: a unix socket whose queue of waiting clients is full. It cannot be waited for.
  if (errno != EINPROGRESS) return not_connected_by(errno);
  if (const auto ready = wait(POLLOUT, deadline); !ready) return ready.error();
  int error = 0;
  socklen_t length = sizeof error;
  getsockopt(descriptor_, SOL_SOCKET, SO_ERROR, &error, &length);
  if (error != 0) return not_connected_by(error);
  return {};
}

quota::Result<void, ClientError> Socket::wait(short events, Deadline deadline) const {
  pollfd watched{descriptor_, events, 0};
  for (;;) {
    const int ready = poll(&watched, 1, milliseconds_until(deadline));
    if (ready > 0) return {};
    if (ready < 0 && errno != EINTR) return system_error(Kind::broken, errno);
    if (std::chrono::steady_clock::now() >= deadline) return ClientError{Kind::timed_out, "no answer in time"};
  }
}

quota::Result<void, ClientError> Socket::write(std::string_view bytes, Deadline deadline) {
  while (!bytes.empty()) {
    const auto sent = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      if (const auto ready = wait(POLLOUT, deadline); !ready) return ready.error();
    } else if (errno != EINTR) {
      return broken_by(errno);
    }
  }
  return {};
}

quota::Result<std::size_t, ClientError> Socket::read(std::span<char> bytes, Deadline deadline) {
  for (;;) {
    // Waiting first: a peer that trickles bytes must not keep us reading past the deadline.
    if (const auto ready = wait(POLLIN, deadline); !ready) return ready.error();
    const auto got = ::recv(descriptor_, bytes.data(), bytes.size(), 0);
    if (got > 0) return static_cast<std::size_t>(got);
    if (got == 0) return broken_by(ECONNRESET);
    if (errno != EINTR && errno != EAGAIN && errno != EWOULDBLOCK) return broken_by(errno);
  }
}

}  // namespace milter::mta
