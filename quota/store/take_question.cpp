#include "quota/store/take_question.hpp"

#include <algorithm>

namespace quota {
namespace {

constexpr std::size_t reply_head = 3;
constexpr std::size_t reply_per_charge = 3;

StoreError unexpected(std::string_view what) {
  return {StoreErrorKind::nonsense, Executed::possibly, "the script answered something else than expected: " + std::string(what)};
}

}  // namespace

void TakeQuestion::add_record(std::string key, std::span<const Charge> charges, std::span<const std::size_t> which, std::size_t first_refused) {
  keys_.push_back(std::move(key));
  texts_.push_back(std::to_string(which.size()));
  for (const auto i : which) {
    order_.push_back(i);
    limits_.push_back(charges[i].limit);
    add_charge(charges[i], i >= first_refused ? "r" : charges[i].group == Group::enforced ? "e" : "o");
  }
}

void TakeQuestion::add_charge(const Charge& charge, std::string_view group) {
  const auto add = [this](std::int64_t number) { texts_.push_back(std::to_string(number)); };
  const auto rate = charge.limit.rate();
  texts_.push_back(bucket_field(charge.quota, charge.limit));
  add(charge.limit.amount);
  add(charge.limit.burst);
  add(charge.limit.period.count());
  add(rate.tokens);
  add(rate.interval);
  add(charge.cost);
  texts_.emplace_back(group);
  texts_.push_back(charge.refusal_window ? refusals_field(charge.quota) : "");
  add(charge.refusal_window.value_or(Milliseconds{0}).count());
}

Result<Outcome, StoreError> TakeQuestion::read(const RedisReply& reply) const {
  if (reply.size() != reply_head + order_.size() * reply_per_charge) return unexpected("its length");
  std::vector<std::int64_t> numbers;
  for (std::size_t i = 0; i < reply.size(); ++i) {
    const auto number = reply[i].integer();
    if (!number) return unexpected("no number");
    if (*number < 0 || *number > exact_bound) return unexpected("a number without sense");
    numbers.push_back(*number);
  }
  Outcome outcome{Timestamp{Milliseconds{numbers[0]}}, numbers[1] == 1, numbers[2] == 1, {}};
  for (std::size_t n = 0; n < order_.size(); ++n) {
    const auto* three = numbers.data() + reply_head + n * reply_per_charge;
    outcome.charges.push_back({{three[0], three[1], limits_[n].amount, limits_[n].burst, outcome.now}, three[2]});
  }
  return outcome;
}

std::vector<OfOneIdentity> by_identity(std::span<const Charge> charges) {
  std::vector<OfOneIdentity> groups;
  for (std::size_t i = 0; i < charges.size(); ++i) {
    auto group = std::find_if(groups.begin(), groups.end(), [&](const OfOneIdentity& one) { return one.identity == charges[i].identity; });
    if (group == groups.end()) group = groups.insert(groups.end(), OfOneIdentity{charges[i].identity, {}});
    group->which.push_back(i);
  }
  return groups;
}

}  // namespace quota
