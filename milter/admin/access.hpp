// Who may do what at the admin endpoint: tokens and the names by which browsers reach it. Values; pure.
//
// The configuration holds no token, only its SHA-256: a token is random and long, so its hash tells nobody anything. That it is
// long is checked where it is shown: what a person could guess is never taken.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace milter::admin {

/// Each may do what those before it may.
enum class Role : std::uint8_t {
  none,     ///< no token: the page's own files, and whether the daemon is well
  read,     ///< looks
  support,  ///< also releases, blocks, and sets limits for a time
  admin,    ///< everything
};
[[nodiscard]] std::string_view name(Role role);

struct Token {
  std::string name{};
  Role role = Role::read;
  std::string sha256{};   ///< lower-case hexadecimal digits
  std::string account{};  ///< whose senders it is for; empty: everybody's
  bool operator==(const Token&) const = default;
};

struct Access {
  std::vector<Token> tokens{};
  std::vector<std::string> hosts{};  ///< lower case, without a port
  bool operator==(const Access&) const = default;
};

inline constexpr std::size_t least_token_bytes = 32;

/// The token whose secret was shown; null where there is none.
/// Time: the same for each wrong secret of one length, wherever it differs.
[[nodiscard]] const Token* find_token(const Access& access, std::string_view secret);

}  // namespace milter::admin
