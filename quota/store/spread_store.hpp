// SpreadStore: the port to a store whose records may lie on several servers, of which some may have no answer. GuardedStore
// makes a Store of it. One question about records of one server is exact and answered as a whole or not at all; where they lie
// on several: look at all of them, decide, commit to all of them. Nothing is taken and given back.
#pragma once

#include <span>
#include <vector>

#include "quota/store.hpp"

namespace quota {

/// Threads: any, at once. Time: each call ends within the store's timeout, whatever happens below it.
class SpreadStore {
 public:
  /// One per charge, in their order. The bucket is as it was before anything was taken, `written` at its own server's clock.
  using Answers = std::vector<Result<Taken, StoreError>>;

  SpreadStore() = default;
  SpreadStore(const SpreadStore&) = delete;
  SpreadStore& operator=(const SpreadStore&) = delete;
  virtual ~SpreadStore() = default;

  /// Whether take() and peek() may be asked about these: one server, or one identity.
  [[nodiscard]] virtual bool is_one_question(std::span<const Charge> charges) const = 0;

  /// As in Store. Requires: is_one_question(charges).
  [[nodiscard]] virtual Result<Outcome, StoreError> take(std::span<const Charge> charges) = 0;
  [[nodiscard]] virtual Result<Outcome, StoreError> peek(std::span<const Charge> charges) = 0;

  /// Every bucket; nothing changes, but that a clock that has stepped back is noted (it must not stop the refill). One round trip.
  [[nodiscard]] virtual Answers look(std::span<const Charge> charges) = 0;

  /// Takes every one of `charges`, whether it holds or not: a bucket may go into debt by what was in flight meanwhile. Counts one
  /// refusal for each of `refused` that has a window (two of one identity and quota are one). One round trip.
  /// Returns: those of `charges`, then those of `refused`.
  [[nodiscard]] virtual Answers commit(std::span<const Charge> charges, std::span<const Charge> refused) = 0;

  /// Charges each cost back, down to empty and no further: used ≤ burst.
  [[nodiscard]] virtual Answers repay(std::span<const Charge> charges) = 0;

  /// As in Store.
  [[nodiscard]] virtual Result<std::int64_t, StoreError> hold(const Identity& identity, const std::string& host, std::int64_t most) = 0;
  [[nodiscard]] virtual Timestamp now() const = 0;

  /// The time that passes here, from any beginning: never back, and in no jumps. To be compared with itself only. Never waits.
  [[nodiscard]] virtual Timestamp steady_now() const = 0;
};

}  // namespace quota
