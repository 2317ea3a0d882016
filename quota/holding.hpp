// Holding: which groups of a message hold, given what was seen of each of its buckets. Pure. Every store decides by this, and so
// does whoever has to put the answers of several together.
//
// A daemon's share of a bucket is the whole bucket in which everything costs `nodes` times as much. So all daemons together spend
// it as one would alone: 1/nodes of the burst each, and exactly 1/nodes of the rate. A cost above the share counts as the whole
// burst: it holds where nothing is used, and goes into debt.
#pragma once

#include <span>

#include "quota/store.hpp"

namespace quota {

struct Holding {
  bool enforced = false;
  bool observed = false;

  /// Whether the group of `charge` is taken.
  [[nodiscard]] bool takes(const Charge& charge) const { return charge.group == Group::enforced ? enforced : observed; }
  bool operator==(const Holding&) const = default;
};

/// How long until `cost` fits into what was seen of a bucket under `limit`; zero if it does now; empty if it never will.
[[nodiscard]] std::optional<Milliseconds> retry_after(const Limit& limit, const Taken& seen, std::int64_t cost);

[[nodiscard]] bool holds(const Charge& charge, const Taken& seen);

/// Enforced charges all or none; the observed ones likewise, and only where the enforced are.
/// Requires: `seen` tells of each charge, in their order.
[[nodiscard]] Holding holding_of(std::span<const Charge> charges, std::span<const Taken> seen);

}  // namespace quota
