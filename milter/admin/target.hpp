// The target of a request, `/v1/identities/user%3Aalice?x=y`, and the percent-encoding it is written in. Pure.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace milter::admin {

struct Target {
  std::vector<std::string> path;  // decoded segments; split first, so that %2F stays inside its segment
  std::map<std::string, std::string> query;
};

/// Empty when it does not begin with '/', an escape is broken, a NUL is hidden in one or a query key comes twice.
[[nodiscard]] std::optional<Target> parse_target(std::string_view text);

/// Empty when an escape is broken or means NUL.
[[nodiscard]] std::optional<std::string> percent_decode(std::string_view text);

/// Every byte outside [A-Za-z0-9._~-] becomes %XX, so the result is one path segment whatever it contains.
[[nodiscard]] std::string percent_encode(std::string_view text);

}  // namespace milter::admin
