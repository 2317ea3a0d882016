#include "tests/milter/mta/fake_milter.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

namespace {

template <class Name>
Name bound(int listener, Name name) {
  socklen_t size = sizeof name;
  if (bind(listener, reinterpret_cast<sockaddr*>(&name), size) != 0 || listen(listener, 4) != 0)
    throw std::system_error(errno, std::generic_category(), "the fake milter cannot listen");
  getsockname(listener, reinterpret_cast<sockaddr*>(&name), &size);
  return name;
}

}  // namespace

FakeMilter::FakeMilter(std::string says, Then then, Network network) {
  listen_on(network);
  thread_ = std::thread([this, says = std::move(says), then] { serve(says, then); });
}

FakeMilter::~FakeMilter() {
  shutdown(listener_, SHUT_RDWR);  // wakes an accept that nobody answered
  thread_.join();
  close(listener_);
}

void FakeMilter::listen_on(Network network) {
  constexpr std::array families = {AF_UNIX, AF_INET, AF_INET6};
  listener_ = socket(families.at(static_cast<std::size_t>(network)), SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (network == Network::unix_path) {
    sockaddr_un name{AF_UNIX, {}};
    const auto path = directory_.file("socket");
    std::memcpy(name.sun_path, path.c_str(), path.size() + 1);
    bound(listener_, name);
    address_ = "local:" + path;
  } else if (network == Network::inet) {
    sockaddr_in name{AF_INET, 0, {htonl(INADDR_LOOPBACK)}, {}};
    address_ = "inet:" + std::to_string(ntohs(bound(listener_, name).sin_port)) + "@127.0.0.1";
  } else {
    sockaddr_in6 name{AF_INET6, 0, 0, in6addr_loopback, 0};
    address_ = "inet6:" + std::to_string(ntohs(bound(listener_, name).sin6_port)) + "@[::1]";
  }
}

void FakeMilter::serve(const std::string& says, Then then) const {
  const int client = accept(listener_, nullptr, nullptr);
  if (client < 0) return;
  std::array<char, 4096> bytes;
  if (recv(client, bytes.data(), bytes.size(), 0) > 0) send(client, says.data(), says.size(), MSG_NOSIGNAL);
  if (then == Then::hang_up) shutdown(client, SHUT_WR);
  while (recv(client, bytes.data(), bytes.size(), 0) > 0) continue;
  close(client);
}
