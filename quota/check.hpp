// The whole story of one message.
#pragma once

#include "quota/policy.hpp"

namespace quota {

/// Judges a message and charges it if it may pass. `now` is the clock by which the entries of `tables` end, that of their server
/// (Keeper::now): the store's own may be another server's.
/// Time: one question to the store, none where the message is not ours, exempt, uncovered or fails already.
[[nodiscard]] Verdict check(const Policy& policy, const Tables& tables, Timestamp now, Store& store, const Message& message);

/// What the message would meet now: whether one that has only begun is certain to be refused. Changes nothing in the store,
/// so it warns of nothing and leads to no block.
[[nodiscard]] Verdict foresee(const Policy& policy, const Tables& tables, Timestamp now, Store& store, const Message& message);

}  // namespace quota
