// TakeQuestion: charges as take.lua wants them, and its reply as answers to them.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "quota/store.hpp"
#include "quota/store/redis_reply.hpp"

namespace quota {

class TakeQuestion {
 public:
  /// `verb` is one of take.lua's; `clock` is empty or what the server's clock is to be, in ms.
  TakeQuestion(std::string_view clock, std::string_view verb);

  /// One record's charges: those of `charges` that `which` names by their index. Those from `first_refused` on are not
  /// taken, but counted as refused. Requires: they are of one identity, whose record is `key`.
  void add_record(std::string key, std::span<const Charge> charges, std::span<const std::size_t> which, std::size_t first_refused);

  [[nodiscard]] std::vector<std::string_view> keys() const { return {keys_.begin(), keys_.end()}; }
  [[nodiscard]] std::vector<std::string_view> arguments() const { return {texts_.begin(), texts_.end()}; }

  /// What the script answered, in the order in which charges were added. Errors: no answer of take.lua to this.
  [[nodiscard]] Result<Outcome, StoreError> read(const RedisReply& reply) const;

  [[nodiscard]] std::size_t size() const { return order_.size(); }
  /// The index of the charge that was added as number `n`.
  [[nodiscard]] std::size_t index(std::size_t n) const { return order_[n]; }

 private:
  void add_charge(const Charge& charge, char group);

  std::vector<std::string> keys_;
  std::vector<std::string> texts_;
  std::vector<std::size_t> order_;
  std::vector<Limit> limits_;  // in the same order
};

/// The indices of charges to one identity, in their order. The identity is that of the first.
struct OfOneIdentity {
  const Identity* identity;
  std::vector<std::size_t> which;
};
[[nodiscard]] std::vector<OfOneIdentity> by_identity(std::span<const Charge> charges);

}  // namespace quota
