#include "quota/store/take_question.hpp"

#include <algorithm>

namespace quota {
namespace {

constexpr std::size_t words_of_charge = 8;
constexpr std::size_t reply_head = 2;
constexpr std::int64_t enforced_flag = 1;
constexpr std::int64_t observed_flag = 2;

StoreError unexpected(std::string_view what) {
  return {StoreErrorKind::nonsense, Executed::possibly, "the script answered something else than expected: " + std::string(what)};
}

}  // namespace

TakeQuestion::TakeQuestion(std::string_view clock, std::string_view verb) {
  texts_.reserve(2 + words_of_charge);
  auto& first = texts_.emplace_back(verb);
  if (!clock.empty()) first.append(" ").append(clock);
}

void TakeQuestion::add_record(std::string key, std::span<const Charge> charges, std::span<const std::size_t> which, std::size_t first_refused) {
  keys_.push_back(std::move(key));
  texts_.reserve(texts_.size() + 1 + words_of_charge * which.size());
  texts_.push_back(std::to_string(which.size()));
  for (const auto i : which) {
    order_.push_back(i);
    limits_.push_back(charges[i].limit);
    add_charge(charges[i], i >= first_refused ? 'r' : charges[i].group == Group::enforced ? 'e' : 'o');
  }
}

void TakeQuestion::add_charge(const Charge& charge, char group) {
  const auto add = [this](std::int64_t number) { texts_.push_back(std::to_string(number)); };
  const auto rate = charge.limit.rate();
  texts_.push_back(bucket_field(charge.quota, charge.limit));
  add(charge.limit.amount);
  add(charge.limit.burst);
  add(charge.limit.period.count());
  add(rate.tokens);
  add(rate.interval);
  add(charge.cost);
  auto& counting = texts_.emplace_back(1, group);
  if (group != 'o' && charge.refusal_window) counting += std::to_string(charge.refusal_window->count());
}

Result<Outcome, StoreError> TakeQuestion::read(const RedisReply& reply) const {
  const auto count = order_.size();
  const bool has_refusals = reply.size() == reply_head + 3 * count;
  if (reply.size() != reply_head + 2 * count && !has_refusals) return unexpected("its length");
  std::vector<std::int64_t> numbers;
  numbers.reserve(reply.size());
  for (std::size_t i = 0; i < reply.size(); ++i) {
    const auto number = reply[i].integer();
    if (!number) return unexpected("no number");
    if (*number < 0 || *number > exact_bound) return unexpected("a number without sense");
    numbers.push_back(*number);
  }
  Outcome outcome{Timestamp{Milliseconds{numbers[0]}}, (numbers[1] & enforced_flag) != 0, (numbers[1] & observed_flag) != 0, {}};
  outcome.charges.reserve(count);
  for (std::size_t n = 0; n < count; ++n) {
    const auto* level = numbers.data() + reply_head + 2 * n;
    const auto refusals = has_refusals ? numbers[reply_head + 2 * count + n] : 0;
    outcome.charges.push_back({{level[0], level[1], limits_[n].amount, limits_[n].burst, outcome.now}, refusals});
  }
  return outcome;
}

std::vector<OfOneIdentity> by_identity(std::span<const Charge> charges) {
  std::vector<OfOneIdentity> groups;
  for (std::size_t i = 0; i < charges.size(); ++i) {
    auto group = std::find_if(groups.begin(), groups.end(), [&](const OfOneIdentity& one) { return *one.identity == charges[i].identity; });
    if (group == groups.end()) group = groups.insert(groups.end(), OfOneIdentity{&charges[i].identity, {}});
    group->which.push_back(i);
  }
  return groups;
}

}  // namespace quota
