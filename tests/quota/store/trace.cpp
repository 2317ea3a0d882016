#include "tests/quota/store/trace.hpp"

#include <algorithm>
#include <functional>
#include <sstream>

#include "tests/quota/store/trace_steps.hpp"

namespace quota::test {
namespace {

/// What a step was answered, of any kind.
struct Answer {
  std::optional<Outcome> outcome{};
  std::vector<std::int64_t> numbers{};
  bool operator==(const Answer&) const = default;
};

/// The plainest store: no lock, no shard, no script. Says what the others must say.
class Reference {
 public:
  /// As in StoreFixture.
  std::function<bool(std::span<const Charge>)> notes_time;

  [[nodiscard]] Timestamp now() const { return now_; }
  [[nodiscard]] Record read(const Identity& identity) const {
    const auto found = records_.find(identity.text());
    return found == records_.end() ? Record{} : found->second;
  }
  [[nodiscard]] bool forget_if_over(const Identity& identity) {
    const auto found = records_.find(identity.text());
    if (found == records_.end() || *found->second.expires_at > now_) return false;
    records_.erase(found);
    return true;
  }

  Answer operator()(const MoveClock& step) {
    now_ += step.by;
    return {};
  }
  Answer operator()(const AskPeek& step) {
    auto outcome = look(step.charges);
    if (notes_time(step.charges))
      for (std::size_t i = 0; i < step.charges.size(); ++i) settle(step.charges[i], outcome.charges[i].bucket);
    return {std::move(outcome), {}};
  }
  Answer operator()(const AskTake& step) {
    auto outcome = look(step.charges);
    for (std::size_t i = 0; i < step.charges.size(); ++i) write(step.charges[i], outcome, outcome.charges[i].bucket);
    if (!outcome.enforced_taken) refuse(step.charges, outcome);
    return {std::move(outcome), {}};
  }
  Answer operator()(const AskHold& step) {
    const auto held = read(step.identity).held;
    const auto before = held.contains(step.host) ? held.at(step.host) : 0;
    if (before >= step.most) return {{}, {step.most + 1}};
    kept(step.identity, now_ + held_kept_for).held[step.host] = before + 1;
    return {{}, {before + 1}};
  }
  Answer operator()(const CountRefusals& step) {
    Answer answer;
    for (const auto& batch : step.batches) answer.numbers.push_back(count(batch));
    return answer;
  }
  Answer operator()(const MarkBlocked& step) {
    const auto& mark = step.mark;
    const auto until = std::max(mark.until.value_or(now_ + endless_block_kept_for), mark.ladder ? mark.ladder->forget_at : now_);
    auto& record = kept(step.identity, until);
    if (record.block == mark.id) {
      if (mark.ladder) record.ladder = record.ladder ? Ladder{record.ladder->step, std::max(record.ladder->forget_at, mark.ladder->forget_at)} : *mark.ladder;
      return {};
    }
    record.block = mark.id;
    if (mark.ladder) record.ladder = mark.ladder;
    record.refusals.erase(mark.quota);
    return {};
  }
  Answer operator()(const Release& step) {
    const bool is_mine = read(step.identity).block == step.block;
    if (is_mine) records_.erase(step.identity.text());
    return {{}, {is_mine ? 1 : 0}};
  }
  Answer operator()(const Refill& step) {
    records_.erase(step.identity.text());
    return {};
  }

 private:
  [[nodiscard]] std::optional<Bucket> stored(const Charge& charge) const {
    const auto record = read(charge.identity);
    const auto found = record.buckets.find(bucket_field(charge.quota, charge.limit));
    if (found == record.buckets.end()) return std::nullopt;
    return found->second;
  }

  [[nodiscard]] Outcome look(const std::vector<Charge>& charges) const {
    Outcome outcome{now_, true, true, {}};
    for (const auto& charge : charges) {
      const auto bucket = refilled(charge.limit, stored(charge), now_);
      outcome.charges.push_back({bucket, 0});
      if (holds(charge.limit, bucket, charge.cost)) continue;
      (charge.group == Group::enforced ? outcome.enforced_taken : outcome.observed_taken) = false;
    }
    outcome.observed_taken = outcome.observed_taken && outcome.enforced_taken;
    return outcome;
  }

  void write(const Charge& charge, const Outcome& outcome, const Bucket& bucket) {
    const bool is_taken = charge.group == Group::enforced ? outcome.enforced_taken : outcome.observed_taken;
    const auto before = stored(charge);
    const bool is_from_the_future = before && before->written > now_;
    if ((!is_taken || charge.cost == 0) && !is_from_the_future) return;
    const auto after = spent(bucket, is_taken ? charge.cost : 0);
    kept(charge.identity, now_ + full_after(charge.limit, after)).buckets[bucket_field(charge.quota, charge.limit)] = after;
  }

  void refuse(const std::vector<Charge>& charges, Outcome& outcome) {
    std::map<std::pair<std::string, std::string>, std::int64_t> counts;
    for (std::size_t i = 0; i < charges.size(); ++i) {
      const auto& charge = charges[i];
      const bool failed = charge.group == Group::enforced && !holds(charge.limit, outcome.charges[i].bucket, charge.cost);
      if (!failed || !charge.refusal_window) continue;
      auto& known = counts[{charge.identity.text(), charge.quota}];
      if (known == 0) known = count({charge.identity, charge.quota, *charge.refusal_window, 1});
      outcome.charges[i].refusals = known;
    }
  }

  std::int64_t count(const RefusalBatch& batch) {
    const auto before = read(batch.identity).refusals;
    const auto known = before.find(batch.quota);
    const auto after = counted(known == before.end() ? std::nullopt : std::optional{known->second}, now_, batch.window, batch.refusals);
    kept(batch.identity, after.since + batch.window).refusals[batch.quota] = after;
    return after.count;
  }

  void settle(const Charge& charge, const Bucket& bucket) {
    const auto before = stored(charge);
    if (!before || before->written <= now_) return;
    kept(charge.identity, now_ + full_after(charge.limit, bucket)).buckets[bucket_field(charge.quota, charge.limit)] = bucket;
  }

  Record& kept(const Identity& identity, Timestamp until) {
    auto& record = records_[identity.text()];
    record.expires_at = std::max(record.expires_at.value_or(until), until);
    return record;
  }

  Timestamp now_ = start;
  std::map<std::string, Record> records_{};
};

/// The same questions to a real store. A store that has no answer differs from every answer.
struct Asker {
  StoreFixture& fixture;

  template <class T>
  static Answer number(const Result<T, StoreError>& result) {
    return {{}, {result ? static_cast<std::int64_t>(*result) : -1}};
  }
  static Answer nothing(const Result<void, StoreError>& result) { return result ? Answer{} : Answer{{}, {-1}}; }
  static Answer outcome(const Result<Outcome, StoreError>& result) { return result ? Answer{*result, {}} : Answer{{}, {-1}}; }

  Answer operator()(const MoveClock&) const { return {}; }
  Answer operator()(const AskTake& step) const { return outcome(fixture.store().take(step.charges)); }
  Answer operator()(const AskPeek& step) const { return outcome(fixture.store().peek(step.charges)); }
  Answer operator()(const AskHold& step) const { return number(fixture.store().hold(step.identity, step.host, step.most)); }
  Answer operator()(const CountRefusals& step) const {
    std::vector<std::int64_t> counts;
    for (const auto& count : fixture.ledger().count_refusals(step.batches)) counts.push_back(count ? *count : -1);
    return {{}, counts};
  }
  Answer operator()(const MarkBlocked& step) const { return nothing(fixture.ledger().mark_blocked(step.identity, step.mark)); }
  Answer operator()(const Release& step) const { return number(fixture.ledger().release(step.identity, step.block)); }
  Answer operator()(const Refill& step) const { return nothing(fixture.ledger().refill(step.identity)); }
};

std::string described(const Answer& answer) {
  std::ostringstream out;
  for (const auto number : answer.numbers) out << ' ' << number;
  if (!answer.outcome) return out.str();
  out << " enforced " << answer.outcome->enforced_taken << ", observed " << answer.outcome->observed_taken;
  for (const auto& taken : answer.outcome->charges) out << "\n    " << format(taken.bucket) << ", refusals " << taken.refusals;
  return out.str();
}

std::string described(const Record& record) {
  std::ostringstream out;
  for (const auto& [field, text] : format(record)) out << "\n    " << field << ": " << text;
  if (record.expires_at) out << "\n    expires " << record.expires_at->time_since_epoch().count();
  return out.str();
}

/// Empty, or how the records of `identity` differ.
std::string record_difference(StoreFixture& fixture, const Reference& reference, const Identity& identity) {
  auto want = reference.read(identity);
  const auto read = fixture.ledger().record(identity);
  if (!read) return identity.text() + " cannot be read";
  auto got = *read;
  // Where expiry follows another clock only the fields can be compared.
  if (fixture.expiry_slack() > Milliseconds{0}) got.expires_at = want.expires_at;
  if (got == want) return {};
  return "record of " + identity.text() + "\n  want:" + described(want) + "\n  got:" + described(got);
}

}  // namespace

std::string first_difference(StoreFixture& fixture, std::uint64_t seed, std::size_t steps) {
  TraceSource source(seed);
  Reference reference;
  reference.notes_time = [&](std::span<const Charge> charges) { return fixture.notes_time(charges); };
  for (std::size_t i = 0; i < steps; ++i) {
    const auto step = source.next(reference.now());
    const auto where = "seed " + std::to_string(seed) + ", step " + std::to_string(i) + ": " + described(step) + "\n  ";
    const auto want = std::visit(reference, step);
    fixture.set_now(reference.now());
    for (const auto& identity : trace_identities())
      if (reference.forget_if_over(identity)) fixture.forget(identity);
    const auto got = std::visit(Asker{fixture}, step);
    if (got != want) return where + "want:" + described(want) + "\n  got:" + described(got);
    for (const auto& identity : trace_identities())
      if (auto difference = record_difference(fixture, reference, identity); !difference.empty()) return where + difference;
  }
  return {};
}

}  // namespace quota::test
