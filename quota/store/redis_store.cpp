#include "quota/store/redis_store.hpp"

#include "quota/store/take_question.hpp"

namespace quota {
namespace {

StoreError no_count() {
  return {StoreErrorKind::nonsense, Executed::possibly, "the script answered something else than expected: no count"};
}

/// The answers as the charges stood before they were put together by identity.
Outcome in_order(const TakeQuestion& question, const Outcome& answer) {
  auto outcome = answer;
  for (std::size_t n = 0; n < answer.charges.size(); ++n) outcome.charges[question.index(n)] = answer.charges[n];
  return outcome;
}

Timestamp monotonic() { return Timestamp{std::chrono::floor<Milliseconds>(std::chrono::steady_clock::now().time_since_epoch())}; }

}  // namespace

std::string RedisContext::record_key(const Identity& identity) const {
  auto key = options_.prefix + ":{";
  return key.append(identity.text()).append("}");
}

Timestamp RedisContext::now() const {
  if (const auto injected = injected_ms_.load(std::memory_order_relaxed); injected >= 0) return Timestamp{Milliseconds{injected}};
  auto offset = learnt_ms_.load(std::memory_order_relaxed);
  if (offset == unknown) offset = guessed_ms_.load(std::memory_order_relaxed);
  if (offset == unknown) return std::chrono::floor<Milliseconds>(std::chrono::system_clock::now());
  return monotonic() + Milliseconds{offset};
}

Timestamp RedisContext::steady_now() const {
  const auto injected = injected_ms_.load(std::memory_order_relaxed);
  return injected >= 0 ? Timestamp{Milliseconds{injected}} : monotonic();
}

void RedisContext::learn(Timestamp server_now) { learnt_ms_.store((server_now - monotonic()).count(), std::memory_order_relaxed); }
void RedisContext::guess(Timestamp server_now) { guessed_ms_.store((server_now - monotonic()).count(), std::memory_order_relaxed); }

void RedisContext::set_clock(std::optional<Timestamp> now) {
  injected_ms_.store(now ? now->time_since_epoch().count() : -1, std::memory_order_relaxed);
}

std::string RedisContext::clock_argument() const {
  const auto injected = injected_ms_.load(std::memory_order_relaxed);
  return injected >= 0 ? std::to_string(injected) : "";
}

bool RedisStore::is_one_question(std::span<const Charge> charges) const {
  return context_.topology().is_one_question(charges.size()) || context_.topology().is_one_question(by_identity(charges).size());
}

Result<Outcome, StoreError> RedisStore::take(std::span<const Charge> charges) { return ask(charges, "take"); }
Result<Outcome, StoreError> RedisStore::peek(std::span<const Charge> charges) { return ask(charges, "peek"); }

Result<Outcome, StoreError> RedisStore::ask(std::span<const Charge> charges, std::string_view verb) {
  if (charges.empty()) return Outcome{now(), true, true, {}};
  TakeQuestion take(context_.clock_argument(), verb, charges.size());
  for (const auto& group : by_identity(charges)) take.add_record(context_.record_key(*group.identity), charges, group.which, charges.size());
  const auto question = take.question();
  const auto reply = std::move(context_.topology().ask_each({&question, 1}, context_.deadline()).front());
  if (!reply) return reply.error();
  auto outcome = take.read(*reply);
  if (!outcome) return outcome;
  context_.guess(outcome->now);
  for (std::size_t n = 0; n < charges.size(); ++n)  // in most cases they are in their places
    if (take.index(n) != n) return in_order(take, *outcome);
  return outcome;
}

RedisStore::Answers RedisStore::look(std::span<const Charge> charges) { return ask_each(charges, charges.size(), "look"); }
RedisStore::Answers RedisStore::repay(std::span<const Charge> charges) { return ask_each(charges, charges.size(), "repay"); }

RedisStore::Answers RedisStore::commit(std::span<const Charge> charges, std::span<const Charge> refused) {
  std::vector<Charge> all(charges.begin(), charges.end());
  all.insert(all.end(), refused.begin(), refused.end());
  return ask_each(all, charges.size(), "commit");
}

RedisStore::Answers RedisStore::ask_each(std::span<const Charge> charges, std::size_t first_refused, std::string_view verb) {
  std::vector<TakeQuestion> questions;
  for (const auto& group : by_identity(charges)) {
    questions.emplace_back(context_.clock_argument(), verb, group.which.size());
    questions.back().add_record(context_.record_key(*group.identity), charges, group.which, first_refused);
  }
  std::vector<RedisQuestion> runs;
  for (const auto& question : questions) runs.push_back(question.question());
  const auto replies = context_.topology().ask_each(runs, context_.deadline());
  Answers answers(charges.size(), Taken{});
  for (std::size_t i = 0; i < questions.size(); ++i) {
    const auto outcome = replies[i] ? questions[i].read(*replies[i]) : replies[i].error();
    if (outcome) context_.guess(outcome->now);
    for (std::size_t n = 0; n < questions[i].size(); ++n)
      answers[questions[i].index(n)] = outcome ? Answers::value_type(outcome->charges[n]) : outcome.error();
  }
  return answers;
}

Result<std::int64_t, StoreError> RedisStore::hold(const Identity& identity, const std::string& host, std::int64_t most) {
  const auto key = context_.record_key(identity);
  const auto field = held_field(host);
  const auto bound = std::to_string(most);
  const auto kept = std::to_string(held_kept_for.count());
  const std::string_view keys[] = {key};
  const std::string_view arguments[] = {field, bound, kept};
  const auto reply = context_.topology().eval(scripts::hold(), keys, arguments, context_.deadline());
  if (!reply) return reply.error();
  const auto count = reply->integer();
  if (!count || *count < 0 || *count > exact_bound) return no_count();
  return *count;
}

}  // namespace quota
