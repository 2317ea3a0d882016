// StoreFixture: how the contract suite and the random traces see a store. Each kind of store has one; it is made anew, with an
// empty store, for each test.
#pragma once

#include "quota/store.hpp"

namespace quota::test {

/// Where tests begin: a moment with nothing special about it.
inline constexpr Timestamp start{Milliseconds{1'763'790'000'000}};

class StoreFixture {
 public:
  StoreFixture() = default;
  StoreFixture(const StoreFixture&) = delete;
  StoreFixture& operator=(const StoreFixture&) = delete;
  virtual ~StoreFixture() = default;

  [[nodiscard]] virtual Store& store() = 0;
  [[nodiscard]] virtual Ledger& ledger() = 0;

  /// Sets the clock that take, peek and count_refusals judge by. A new fixture stands at `start`.
  virtual void set_now(Timestamp now) = 0;

  /// The record of `identity` is over at the time that was set last. A store whose expiry follows another clock forgets it here.
  virtual void forget(const Identity& identity) = 0;

  /// How much more than a bucket holds may be taken from it by messages to several identities, of which `in_flight` others are
  /// under way at once.
  [[nodiscard]] virtual std::int64_t most_above(std::int64_t in_flight) const { return 0 * in_flight; }

  /// Whether looking at these, even to change nothing, notes a clock that has stepped back.
  [[nodiscard]] virtual bool notes_time(std::span<const Charge>) const { return false; }

  /// How far a record's expires_at may be off, where expiry follows another clock than set_now(). Tests write records that live
  /// for a minute at least, so that such a clock does not come into play otherwise.
  [[nodiscard]] virtual Milliseconds expiry_slack() const = 0;
  /// How much longer than it must a record may be kept whose greatest burst takes `full` to refill.
  [[nodiscard]] virtual Milliseconds kept_longer(Milliseconds full) const { return 0 * full; }
};

}  // namespace quota::test
