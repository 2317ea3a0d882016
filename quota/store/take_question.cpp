#include "quota/store/take_question.hpp"

#include <algorithm>

#include "quota/store/redis_scripts.hpp"

namespace quota {
namespace {

constexpr std::size_t usual_bytes = 192;  // of a charge
constexpr std::size_t reply_head = 2;
constexpr std::int64_t enforced_flag = 1;
constexpr std::int64_t observed_flag = 2;

StoreError unexpected(std::string_view what) {
  return {StoreErrorKind::nonsense, Executed::possibly, "the script answered something else than expected: " + std::string(what)};
}

}  // namespace

TakeQuestion::TakeQuestion(std::string_view clock, std::string_view verb, std::size_t charges) {
  arguments_.reserve(usual_bytes * charges);
  if (clock.empty())
    arguments_.add(verb);
  else
    arguments_.add(std::string(verb).append(" ").append(clock));
}

void TakeQuestion::add_record(std::string key, std::span<const Charge> charges, std::span<const std::size_t> which, std::size_t first_refused) {
  keys_.add(key);
  if (first_key_.empty()) first_key_ = std::move(key);
  arguments_.add(static_cast<std::int64_t>(which.size()));
  for (const auto i : which) {
    const auto& charge = charges[i];
    added_.push_back({i, charge.limit.amount, charge.limit.burst});
    add_charge(charge, i >= first_refused ? 'r' : charge.group == Group::enforced ? 'e' : 'o');
  }
}

void TakeQuestion::add_charge(const Charge& charge, char group) {
  const auto rate = charge.limit.rate();
  arguments_.add(bucket_field(charge.quota, charge.limit));
  for (const auto number : {charge.limit.amount, charge.limit.burst, std::int64_t{charge.limit.period.count()}, rate.tokens, rate.interval, charge.cost})
    arguments_.add(number);
  std::string counting(1, group);
  if (group != 'o' && charge.refusal_window) counting += std::to_string(charge.refusal_window->count());
  arguments_.add(counting);
}

RedisQuestion TakeQuestion::question() const {
  RedisQuestion question{first_key_, {}, &scripts::take()};
  auto& words = question.words;
  words.reserve(16 + keys_.bytes().size() + arguments_.bytes().size());
  words.add(static_cast<std::int64_t>(keys_.size()));
  words.add(keys_);
  words.add(arguments_);
  return question;
}

Result<Outcome, StoreError> TakeQuestion::read(const RedisReply& reply) const {
  const auto count = added_.size();
  const bool has_refusals = reply.size() == reply_head + 3 * count;
  if (reply.size() != reply_head + 2 * count && !has_refusals) return unexpected("its length");
  boost::container::small_vector<std::int64_t, 16> numbers;
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
    outcome.charges.push_back({{level[0], level[1], added_[n].amount, added_[n].burst, outcome.now}, refusals});
  }
  return outcome;
}

boost::container::small_vector<OfOneIdentity, 4> by_identity(std::span<const Charge> charges) {
  boost::container::small_vector<OfOneIdentity, 4> groups;
  for (std::size_t i = 0; i < charges.size(); ++i) {
    auto group = std::find_if(groups.begin(), groups.end(), [&](const OfOneIdentity& one) { return *one.identity == charges[i].identity; });
    if (group == groups.end()) group = groups.insert(groups.end(), OfOneIdentity{&charges[i].identity, {}});
    group->which.push_back(i);
  }
  return groups;
}

}  // namespace quota
