// The whole story of one message.
#pragma once

#include "quota/policy.hpp"

namespace quota {

/// Judges a message and charges it if it may pass.
/// Time: one question to the store, none where the message is not ours, exempt, uncovered or fails already.
[[nodiscard]] Verdict check(const Policy& policy, const Tables& tables, Store& store, const Message& message);

/// What the message would meet now: whether one that has only begun is certain to be refused. Changes nothing in the store,
/// so it warns of nothing and leads to no block.
[[nodiscard]] Verdict foresee(const Policy& policy, const Tables& tables, Store& store, const Message& message);

}  // namespace quota
