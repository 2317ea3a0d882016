// What tests of the policy share: alice, her mailbox, and what a message of hers is charged to.
#pragma once

#include "tests/support/example_policy.hpp"

namespace quota::policy_rig {

using namespace std::chrono_literals;

inline const Timestamp now = example_now;
inline const Identity alice{Kind::user, "alice@example.com"};

inline Quota mailbox(std::string_view limits = "250 messages / 15m") { return quota_of("mailbox", {Kind::user}, limits); }

inline std::string charged(const Policy& policy, const Message& message, const Tables& tables = {}) {
  return text(policy.assess(message, tables, now).charges);
}

}  // namespace quota::policy_rig
