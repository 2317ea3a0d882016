// ScriptedStore: a store that says what a test tells it, and remembers what it was asked.
// Until it is told otherwise it keeps real buckets, so that a test can fill one by sending.
#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <vector>

#include "quota/store.hpp"

namespace quota {

class ScriptedStore final : public Store {
 public:
  explicit ScriptedStore(Timestamp now) : now_(now) {}

  Timestamp now_;
  std::optional<StoreError> error{};          ///< what every question is answered with; empty: an answer
  std::int64_t refusals = 0;                  ///< what is answered as count wherever one is wanted and the group failed
  std::vector<std::vector<Charge>> taken{};   ///< each take() that had charges
  std::vector<std::vector<Charge>> peeked{};  ///< each peek() that had charges
  std::map<std::string, Bucket> buckets{};    ///< by `IDENTITY QUOTA UNIT/PERIOD`

  Result<Outcome, StoreError> take(std::span<const Charge> charges) override {
    if (charges.empty()) return Outcome{now_, false, false, {}};
    taken.emplace_back(charges.begin(), charges.end());
    if (error) return *error;
    const auto outcome = looked_at(charges);
    for (std::size_t i = 0; i < charges.size(); ++i)
      if (charges[i].group == Group::enforced ? outcome.enforced_taken : outcome.observed_taken)
        buckets[key(charges[i])] = spent(outcome.charges[i].bucket, charges[i].cost);
    return outcome;
  }

  Result<Outcome, StoreError> peek(std::span<const Charge> charges) override {
    if (charges.empty()) return Outcome{now_, false, false, {}};
    peeked.emplace_back(charges.begin(), charges.end());
    if (error) return *error;
    return looked_at(charges);
  }

  Result<std::int64_t, StoreError> hold(const Identity&, const std::string&, std::int64_t) override {
    return std::int64_t{1};
  }
  Timestamp now() const override { return now_; }

  /// Fills the bucket of a charge like `charge` until only `left` fits.
  void fill(const Charge& charge, std::int64_t left) {
    buckets[key(charge)] = {charge.limit.burst - left, 0, charge.limit.amount, charge.limit.burst, now_};
  }

  [[nodiscard]] std::int64_t used(const std::string& key) const {
    const auto found = buckets.find(key);
    return found == buckets.end() ? 0 : used_units(found->second);
  }

 private:
  static std::string key(const Charge& charge) {
    return charge.identity.text() + " " + bucket_field(charge.quota, charge.limit);
  }

  Outcome looked_at(std::span<const Charge> charges) const {
    Outcome outcome{now_, true, true, {}};
    for (const auto& charge : charges) {
      const auto found = buckets.find(key(charge));
      const auto bucket =
          refilled(charge.limit, found == buckets.end() ? std::nullopt : std::optional(found->second), now_);
      const bool held = holds(charge.limit, bucket, charge.cost);
      if (!held) (charge.group == Group::enforced ? outcome.enforced_taken : outcome.observed_taken) = false;
      outcome.charges.push_back({bucket, !held && charge.refusal_window ? refusals : 0});
    }
    outcome.observed_taken = outcome.observed_taken && outcome.enforced_taken;
    return outcome;
  }
};

}  // namespace quota
