// TakeQuestion: charges as take.lua wants them, and its reply as answers to them.
#pragma once

#include <boost/container/small_vector.hpp>
#include <span>
#include <string>
#include <vector>

#include "quota/store.hpp"
#include "quota/store/redis_errand.hpp"

namespace quota {

class TakeQuestion {
 public:
  /// `verb` is one of take.lua's; `clock` is empty or what the server's clock is to be, in ms.
  TakeQuestion(std::string_view clock, std::string_view verb, std::size_t charges);

  /// One record's charges: those of `charges` that `which` names by their index. Those from `first_refused` on are not
  /// taken, but counted as refused. Requires: they are of one identity, whose record is `key`.
  void add_record(std::string key, std::span<const Charge> charges, std::span<const std::size_t> which, std::size_t first_refused);

  /// To be asked; its key is this one's. Requires: one record at least.
  [[nodiscard]] RedisQuestion question() const;

  /// What the script answered, in the order in which charges were added. Errors: no answer of take.lua to this.
  [[nodiscard]] Result<Outcome, StoreError> read(const RedisReply& reply) const;

  [[nodiscard]] std::size_t size() const { return added_.size(); }
  /// The index of the charge that was added as number `n`.
  [[nodiscard]] std::size_t index(std::size_t n) const { return added_[n].index; }

 private:
  struct Added {
    std::size_t index;
    std::int64_t amount;
    std::int64_t burst;
  };

  void add_charge(const Charge& charge, char group);

  std::string first_key_;
  CommandWords keys_;
  CommandWords arguments_;
  boost::container::small_vector<Added, 4> added_;
};

/// The indices of charges to one identity, in their order. The identity is that of the first.
struct OfOneIdentity {
  const Identity* identity;
  boost::container::small_vector<std::size_t, 4> which;
};
[[nodiscard]] boost::container::small_vector<OfOneIdentity, 4> by_identity(std::span<const Charge> charges);

}  // namespace quota
