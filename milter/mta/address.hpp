// Where a milter listens, in libmilter's notation: `unix:/path`, `local:/path` or a bare `/path`,
// `inet:port@host`, `inet6:port@host`; without `@host` it is the loopback address. Pure: nothing is resolved here.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "quota/result.hpp"

namespace milter::mta {

struct Address {
  enum class Family { unix_path, inet, inet6 };
  Family family = Family::unix_path;
  /// A path, or a host name or number without brackets.
  std::string place;
  std::uint16_t port = 0;
  bool operator==(const Address&) const = default;
};

/// Errors: a sentence that names the text and says what to write instead.
[[nodiscard]] quota::Result<Address, std::string> parse_address(std::string_view text);

}  // namespace milter::mta
