// A listening TCP socket: `127.0.0.1:8025`, `[::1]:8025`. Addresses only: a name could become another address overnight.
#pragma once

#include <netinet/in.h>

#include <string>
#include <string_view>

#include "milter/admin/file_descriptor.hpp"
#include "milter/admin/request.hpp"
#include "quota/result.hpp"

namespace milter::admin {

struct TcpAddress {
  std::string host{};
  std::uint16_t port = 0;

  /// Errors: what is wrong and what to write instead.
  [[nodiscard]] static quota::Result<TcpAddress, std::string> parse(std::string_view text);
  [[nodiscard]] bool is_v6() const { return host.find(':') != std::string::npos; }
  /// Only programs on this host reach it.
  [[nodiscard]] bool is_loopback() const { return host == "::1" || host.starts_with("127."); }
};

/// Errors: a sentence.
[[nodiscard]] quota::Result<FileDescriptor, std::string> listen_on(const TcpAddress& address);

/// Who connected: an address, and nobody known yet. Errors: a sentence.
[[nodiscard]] quota::Result<Caller, std::string> stranger_at(int tcp_socket);

}  // namespace milter::admin
