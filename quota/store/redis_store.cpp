#include "quota/store/redis_store.hpp"

#include <algorithm>

namespace quota {
namespace {

constexpr std::size_t reply_head = 3;
constexpr std::size_t reply_per_charge = 3;

/// The charges of a message by record, as the script wants them; it remembers where each came from.
class Question {
 public:
  Question(const RedisContext& context, std::span<const Charge> charges, std::string_view verb) {
    add(context.clock_argument());
    add(std::string(verb));
    std::vector<bool> is_done(charges.size());
    for (std::size_t i = 0; i < charges.size(); ++i) {
      if (is_done[i]) continue;
      keys_.push_back(context.record_key(charges[i].identity));
      const auto count_at = texts_.size();
      add("");
      std::size_t count = 0;
      for (std::size_t j = i; j < charges.size(); ++j) {
        if (is_done[j] || charges[j].identity != charges[i].identity) continue;
        is_done[j] = true;
        order_.push_back(j);
        add_charge(charges[j]);
        ++count;
      }
      texts_[count_at] = std::to_string(count);
    }
  }

  [[nodiscard]] std::vector<std::string_view> keys() const { return {keys_.begin(), keys_.end()}; }
  [[nodiscard]] std::vector<std::string_view> arguments() const { return {texts_.begin(), texts_.end()}; }
  /// The index of the charge that comes as number `n` in the reply.
  [[nodiscard]] std::size_t charge_at(std::size_t n) const { return order_[n]; }

 private:
  void add(std::string text) { texts_.push_back(std::move(text)); }
  void add(std::int64_t number) { add(std::to_string(number)); }

  void add_charge(const Charge& charge) {
    const auto rate = charge.limit.rate();
    add(bucket_field(charge.quota, charge.limit));
    add(charge.limit.amount);
    add(charge.limit.burst);
    add(charge.limit.period.count());
    add(rate.tokens);
    add(rate.interval);
    add(charge.cost);
    add(charge.group == Group::enforced ? "e" : "o");
    add(charge.refusal_window ? refusals_field(charge.quota) : "");
    add(charge.refusal_window.value_or(Milliseconds{0}).count());
  }

  std::vector<std::string> keys_;
  std::vector<std::string> texts_;
  std::vector<std::size_t> order_;
};

StoreError unexpected(std::string_view what) {
  return {StoreErrorKind::nonsense, Executed::possibly, "the script answered something else than expected: " + std::string(what)};
}

Result<Outcome, StoreError> read_outcome(const RedisReply& reply, const Question& question, std::span<const Charge> charges) {
  if (reply.size() != reply_head + charges.size() * reply_per_charge) return unexpected("its length");
  std::vector<std::int64_t> numbers;
  for (std::size_t i = 0; i < reply.size(); ++i) {
    const auto number = reply[i].integer();
    if (!number) return unexpected("no number");
    numbers.push_back(*number);
  }
  Outcome outcome{Timestamp{Milliseconds{numbers[0]}}, numbers[1] == 1, numbers[2] == 1, std::vector<Taken>(charges.size())};
  for (std::size_t n = 0; n < charges.size(); ++n) {
    const auto* three = numbers.data() + reply_head + n * reply_per_charge;
    const auto& limit = charges[question.charge_at(n)].limit;
    outcome.charges[question.charge_at(n)] = {{three[0], three[1], limit.amount, limit.burst, outcome.now}, three[2]};
  }
  return outcome;
}

}  // namespace

std::string RedisContext::record_key(const Identity& identity) const { return options_.prefix + ":{" + identity.text() + "}"; }

Timestamp RedisContext::now() const {
  if (const auto injected = injected_ms_.load(std::memory_order_relaxed); injected >= 0) return Timestamp{Milliseconds{injected}};
  if (!is_learnt_.load(std::memory_order_relaxed)) return std::chrono::floor<Milliseconds>(std::chrono::system_clock::now());
  const auto monotonic = std::chrono::floor<Milliseconds>(std::chrono::steady_clock::now().time_since_epoch());
  return Timestamp{monotonic + Milliseconds{offset_ms_.load(std::memory_order_relaxed)}};
}

void RedisContext::learn(Timestamp server_now) {
  const auto monotonic = std::chrono::floor<Milliseconds>(std::chrono::steady_clock::now().time_since_epoch());
  offset_ms_.store((server_now.time_since_epoch() - monotonic).count(), std::memory_order_relaxed);
  is_learnt_.store(true, std::memory_order_relaxed);
}

void RedisContext::set_clock(std::optional<Timestamp> now) {
  injected_ms_.store(now ? now->time_since_epoch().count() : -1, std::memory_order_relaxed);
}

std::string RedisContext::clock_argument() const {
  const auto injected = injected_ms_.load(std::memory_order_relaxed);
  return injected >= 0 ? std::to_string(injected) : "";
}

Result<Outcome, StoreError> RedisStore::take(std::span<const Charge> charges) { return ask(charges, "take"); }
Result<Outcome, StoreError> RedisStore::peek(std::span<const Charge> charges) { return ask(charges, "peek"); }

Result<Outcome, StoreError> RedisStore::ask(std::span<const Charge> charges, std::string_view verb) {
  if (charges.empty()) return Outcome{now(), true, true, {}};
  const Question question(context_, charges, verb);
  const auto reply = context_.pool().eval(scripts::take(), question.keys(), question.arguments(), context_.deadline());
  if (!reply) return reply.error();
  auto outcome = read_outcome(*reply, question, charges);
  if (outcome) context_.learn(outcome->now);
  return outcome;
}

Result<std::int64_t, StoreError> RedisStore::hold(const Identity& identity, const std::string& host, std::int64_t most) {
  const auto key = context_.record_key(identity);
  const auto field = held_field(host);
  const auto bound = std::to_string(most);
  const auto kept = std::to_string(held_kept_for.count());
  const std::string_view keys[] = {key};
  const std::string_view arguments[] = {field, bound, kept};
  const auto reply = context_.pool().eval(scripts::hold(), keys, arguments, context_.deadline());
  if (!reply) return reply.error();
  const auto count = reply->integer();
  if (!count) return unexpected("no count");
  return *count;
}

}  // namespace quota
