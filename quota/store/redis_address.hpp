// RedisAddress: the text of `store.url`, understood.
//
//   redis://[USER@|[USER]:PASSWORD@]HOST[:PORT][/DATABASE]
//   unix:/PATH[?db=DATABASE][&user=USER][&password=PASSWORD]       (`unix:///PATH` is read as well)
//
// HOST is a name, an IPv4 address or an IPv6 address in brackets. Port 6379 and database 0 are what is not written.
// USER, PASSWORD and PATH are percent-decoded, so any byte but NUL can stand in them. A user needs a password; a
// password alone is for a server without users (`requirepass`), hence the colon: `redis://:PASSWORD@HOST`. A server and
// the login to it are two types because whoever finds servers by himself logs in to all of them alike. Neither an error
// nor printable() holds the password.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "quota/result.hpp"

namespace quota {

struct TcpServer {
  std::string host;  // without brackets
  std::uint16_t port = 6379;
  bool operator==(const TcpServer&) const = default;
};

struct UnixServer {
  std::string path;
  bool operator==(const UnixServer&) const = default;
};

using RedisServerName = std::variant<TcpServer, UnixServer>;

struct RedisLogin {
  std::string user;      // empty: the default user
  std::string password;  // empty: no AUTH at all
  unsigned database = 0;
  bool operator==(const RedisLogin&) const = default;
};

struct RedisAddress {
  RedisServerName server;
  RedisLogin login;
  bool operator==(const RedisAddress&) const = default;

  /// The server and login that `url` names.
  /// Errors: one sentence that says what to write instead, without any part that could be a password.
  [[nodiscard]] static Result<RedisAddress, std::string> parse(std::string_view url);

  /// The address as one would write it, without the password.
  [[nodiscard]] std::string printable() const;
};

}  // namespace quota
