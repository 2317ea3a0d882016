// SpreadAsStore: a store whose records lie on several servers, asked as one: look at all, decide, commit to all. Where one
// server has no answer there is none.
#pragma once

#include <algorithm>

#include "quota/store/spread_store.hpp"

namespace quota::test {

class SpreadAsStore final : public Store {
 public:
  explicit SpreadAsStore(SpreadStore& spread) : spread_(spread) {}

  [[nodiscard]] Result<Outcome, StoreError> take(std::span<const Charge> charges) override {
    if (spread_.is_one_question(charges)) return spread_.take(charges);
    auto outcome = looked(charges);
    if (!outcome) return outcome;
    std::vector<std::size_t> order;
    std::vector<Charge> taken, refused;
    for (std::size_t i = 0; i < charges.size(); ++i)
      if (charges[i].group == Group::enforced ? outcome->enforced_taken : outcome->observed_taken) {
        order.push_back(i);
        taken.push_back(charges[i]);
      }
    for (std::size_t i = 0; i < charges.size(); ++i) {
      const bool fails = charges[i].group == Group::enforced && !holds(charges[i].limit, outcome->charges[i].bucket, charges[i].cost);
      if (!fails || !charges[i].refusal_window) continue;
      order.push_back(i);
      refused.push_back(charges[i]);
    }
    // A clock that stepped back is written although nothing is taken, as take() does it.
    for (std::size_t i = 0; i < charges.size(); ++i) {
      if (std::find(order.begin(), order.end(), i) != order.end()) continue;
      order.push_back(i);
      refused.push_back(charges[i]);
      refused.back().refusal_window.reset();
    }
    const auto answers = spread_.commit(taken, refused);
    for (std::size_t n = 0; n < answers.size(); ++n) {
      if (!answers[n]) return answers[n].error();
      outcome->charges[order[n]].refusals = answers[n]->refusals;
    }
    return outcome;
  }

  [[nodiscard]] Result<Outcome, StoreError> peek(std::span<const Charge> charges) override {
    return spread_.is_one_question(charges) ? spread_.peek(charges) : looked(charges);
  }
  [[nodiscard]] Result<std::int64_t, StoreError> hold(const Identity& identity, const std::string& host, std::int64_t most) override {
    return spread_.hold(identity, host, most);
  }
  [[nodiscard]] Timestamp now() const override { return spread_.now(); }

 private:
  [[nodiscard]] Result<Outcome, StoreError> looked(std::span<const Charge> charges) {
    const auto answers = spread_.look(charges);
    Outcome outcome{spread_.now(), true, true, {}};
    for (std::size_t i = 0; i < charges.size(); ++i) {
      if (!answers[i]) return answers[i].error();
      outcome.now = answers[i]->bucket.written;
      outcome.charges.push_back(*answers[i]);
      if (holds(charges[i].limit, answers[i]->bucket, charges[i].cost)) continue;
      (charges[i].group == Group::enforced ? outcome.enforced_taken : outcome.observed_taken) = false;
    }
    outcome.observed_taken = outcome.observed_taken && outcome.enforced_taken;
    return outcome;
  }

  SpreadStore& spread_;
};

}  // namespace quota::test
