// SpreadMemory: records on several servers in memory, under a clock that the test sets. SpreadView: what one daemon sees of them;
// the test says which question reaches its server, and which answer reaches the daemon.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "quota/holding.hpp"
#include "quota/record.hpp"
#include "quota/store/spread_store.hpp"
#include "tests/support/manual_clock.hpp"

namespace quota {

/// Threads: any, at once.
class SpreadMemory {
 public:
  SpreadMemory(const Clock& clock, std::size_t servers) : clock_(clock), servers_(servers) {}

  [[nodiscard]] Timestamp now() const { return clock_.now(); }
  [[nodiscard]] std::size_t servers() const { return servers_; }
  /// By kind, so that a test knows who is where: users on the first, domains on the second, everyone on the third of three.
  [[nodiscard]] std::size_t server_of(const Identity& identity) const { return static_cast<std::size_t>(identity.kind) % servers_; }

  [[nodiscard]] Bucket bucket(const Charge& charge) const {
    const auto found = buckets_.find(name(charge));
    return refilled(charge.limit, found == buckets_.end() ? std::nullopt : std::optional(found->second), now());
  }
  void put(const Charge& charge, const Bucket& bucket) { buckets_[name(charge)] = bucket; }
  /// So many units are used of it now.
  void fill(const Charge& charge, std::int64_t used) { put(charge, {used, 0, charge.limit.amount, charge.limit.burst, now()}); }
  void add(const Charge& charge) { put(charge, spent(bucket(charge), charge.cost)); }
  std::int64_t count_refusal(const Charge& charge) { return ++refusals_[charge.identity.text() + " " + charge.quota]; }
  std::int64_t& held(const Identity& identity) { return held_[identity.text()]; }

  std::mutex mutex{};

 private:
  static std::string name(const Charge& charge) { return charge.identity.text() + " " + bucket_field(charge.quota, charge.limit); }

  const Clock& clock_;
  const std::size_t servers_;
  std::map<std::string, Bucket> buckets_{};
  std::map<std::string, std::int64_t> refusals_{};
  std::map<std::string, std::int64_t> held_{};
};

class SpreadView final : public SpreadStore {
 public:
  /// What becomes of a question: it is answered; its server cannot be reached; it is carried out, and nobody hears of it; it is
  /// lost on the way, and nobody knows.
  enum class Fate : std::uint8_t { answered, unreachable, unheard, lost };

  explicit SpreadView(SpreadMemory& memory) : memory_(memory) {}

  /// Of a question to the server; asked once for each server of a call.
  std::function<Fate(std::size_t)> fate = [](std::size_t) { return Fate::answered; };
  int takes = 0, looks = 0, commits = 0, repays = 0;

  [[nodiscard]] bool is_one_question(std::span<const Charge> charges) const override {
    return memory_.servers() == 1 ||
           std::all_of(charges.begin(), charges.end(), [&](const Charge& one) { return one.identity == charges[0].identity; });
  }

  [[nodiscard]] Result<Outcome, StoreError> take(std::span<const Charge> charges) override {
    const std::lock_guard lock(memory_.mutex);
    ++takes;
    return once(charges, true);
  }
  [[nodiscard]] Result<Outcome, StoreError> peek(std::span<const Charge> charges) override {
    const std::lock_guard lock(memory_.mutex);
    return once(charges, false);
  }

  [[nodiscard]] Answers look(std::span<const Charge> charges) override {
    const std::lock_guard lock(memory_.mutex);
    ++looks;
    return each(charges, [](const Charge&, Fate) {});
  }

  [[nodiscard]] Answers commit(std::span<const Charge> charges, std::span<const Charge> refused) override {
    const std::lock_guard lock(memory_.mutex);
    ++commits;
    std::vector<Charge> all(charges.begin(), charges.end());
    all.insert(all.end(), refused.begin(), refused.end());
    auto answers = each(all, [](const Charge&, Fate) {});
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (!is_done(fates_[memory_.server_of(all[i].identity)])) continue;
      if (i < charges.size())
        memory_.add(all[i]);
      else if (const auto count = all[i].refusal_window ? memory_.count_refusal(all[i]) : 0; answers[i])
        answers[i]->refusals = count;
    }
    return answers;
  }

  [[nodiscard]] Answers repay(std::span<const Charge> charges) override {
    const std::lock_guard lock(memory_.mutex);
    ++repays;
    return each(charges, [this](const Charge& charge, Fate its) {
      if (!is_done(its)) return;
      const auto before = memory_.bucket(charge);
      if (before.used >= before.burst) return;
      auto after = spent(before, charge.cost);
      if (after.used >= after.burst) after = {after.burst, 0, after.amount, after.burst, after.written};
      memory_.put(charge, after);
    });
  }

  [[nodiscard]] Result<std::int64_t, StoreError> hold(const Identity& identity, const std::string&, std::int64_t most) override {
    const std::lock_guard lock(memory_.mutex);
    if (const auto what = fate(memory_.server_of(identity)); what != Fate::answered) return error_of(what);
    auto& held = memory_.held(identity);
    return held >= most ? most + 1 : ++held;
  }

  /// How far the store's clock is off just now, as this daemon sees it.
  std::function<Milliseconds()> clock_error = [] { return Milliseconds{0}; };
  [[nodiscard]] Timestamp now() const override { return memory_.now() + clock_error(); }
  [[nodiscard]] Timestamp steady_now() const override { return memory_.now(); }

 private:
  static bool is_done(Fate fate) { return fate == Fate::answered || fate == Fate::unheard; }
  static StoreError error_of(Fate fate) {
    if (fate == Fate::unreachable) return {StoreErrorKind::unreachable, Executed::no, "nobody there"};
    return {StoreErrorKind::timed_out, Executed::possibly, "no answer in time"};
  }

  Result<Outcome, StoreError> once(std::span<const Charge> charges, bool writes) {
    Outcome outcome{now(), false, false, {}, {}};
    for (const auto& charge : charges) outcome.charges.push_back({memory_.bucket(charge)});
    const auto holding = holding_of(charges, outcome.charges);
    outcome.enforced_taken = holding.enforced;
    outcome.observed_taken = holding.observed;
    const auto what = fate(memory_.server_of(charges[0].identity));
    for (std::size_t i = 0; writes && is_done(what) && i < charges.size(); ++i) {
      if (holding.takes(charges[i])) memory_.add(charges[i]);
      if (!holding.enforced && charges[i].refusal_window && !holds(charges[i], outcome.charges[i]))
        outcome.charges[i].refusals = memory_.count_refusal(charges[i]);
    }
    if (what != Fate::answered) return error_of(what);
    return outcome;
  }

  template <class Do>
  Answers each(std::span<const Charge> charges, Do what_is_done) {
    fates_.clear();
    Answers answers;
    for (const auto& charge : charges) {
      const auto server = memory_.server_of(charge.identity);
      if (!fates_.contains(server)) fates_[server] = fate(server);
      if (fates_[server] == Fate::answered)
        answers.push_back(Taken{memory_.bucket(charge)});
      else
        answers.push_back(error_of(fates_[server]));
      what_is_done(charge, fates_[server]);
    }
    return answers;
  }

  SpreadMemory& memory_;
  std::map<std::size_t, Fate> fates_{};
};

}  // namespace quota
