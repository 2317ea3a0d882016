// An identity as a person types it on the command line.
#pragma once

#include <string>
#include <string_view>

#include "quota/result.hpp"

namespace milter::cli {

struct BadIdentity {
  BadIdentity() = default;
  /// `"TYPED" PROBLEM; CURE`
  BadIdentity(std::string_view typed, std::string_view problem, const std::string& cure);
  std::string what;
};

/// `kind:value` as typed, a bare address as `user:address`. Whether the kind exists is the daemon's to say.
[[nodiscard]] quota::Result<std::string, BadIdentity> identity_from(std::string_view typed);

}  // namespace milter::cli
