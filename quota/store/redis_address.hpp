// RedisAddress: the text of `store.url`, understood.
//
//   redis://[LOGIN@]HOST[:PORT][/DATABASE]                          one server
//   unix:/PATH[?db=DATABASE][&user=USER][&password=PASSWORD]        one server (`unix:///PATH` is read as well)
//   redis+sentinel://[LOGIN@]HOST[:PORT],…/MASTER[/DATABASE][?sentinel_user=USER][&sentinel_password=PASSWORD]
//   redis+cluster://[LOGIN@]HOST[:PORT],…
//
// and `rediss` in the place of `redis` for TLS, with all servers that the address leads to. LOGIN is USER, :PASSWORD or
// USER:PASSWORD. HOST is a name, an IPv4 address or an IPv6 address in brackets. What is not written is port 6379, or
// 26379 of a sentinel, and database 0; a Cluster has no other. USER, PASSWORD, MASTER and PATH are percent-decoded, so
// any byte but NUL can stand in them. A user needs a password; a password alone is for a server without users
// (`requirepass`), hence the colon: `redis://:PASSWORD@HOST`. Neither an error nor printable() holds a password.
//
// The hosts are where asking begins: the sentinels, or some nodes of the Cluster. The login is for the servers that
// hold data, all of them alike; sentinels are asked without one unless the address has `sentinel_…`, because they keep
// users of their own and a password must not be shown to who has no use for it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

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
  enum class Topology : std::uint8_t { single, sentinel, cluster };

  Topology topology = Topology::single;
  bool is_tls = false;
  std::vector<RedisServerName> seeds;  // as written; at least one, and no more where the topology is single
  std::string master_name{};           // Sentinel: which of its masters
  RedisLogin login{};                  // to the servers that hold data
  RedisLogin sentinel_login{};         // to the sentinels, which have no databases
  bool operator==(const RedisAddress&) const = default;

  /// The servers and logins that `url` names.
  /// Errors: one sentence that says what to write instead, without any part that could be a password.
  [[nodiscard]] static Result<RedisAddress, std::string> parse(std::string_view url);

  /// The address as one would write it, without the passwords.
  [[nodiscard]] std::string printable() const;
};

}  // namespace quota
