#include "quota/store/guarded_store.hpp"

#include <algorithm>
#include <condition_variable>

namespace quota {
namespace {

/// Debts in one round trip: while the store has no answer it is only asked about a few.
constexpr std::size_t few = 8;
constexpr std::size_t many = 256;
/// Where one server of several is away, that is known at once: so many batches in a row are tried for what others owe.
constexpr int most_without_answer = 32;
constexpr Milliseconds at_once{5};
/// Kept shares: the least time between two writes, and within what they are written where that takes long.
constexpr Milliseconds each_second{1000};
constexpr Milliseconds seldom = std::chrono::seconds{10};
constexpr std::string_view not_charged_back = "what was sent while the store had no answer is not charged back yet";

/// The bucket after repay(): never below empty.
Bucket repaid(const Bucket& before, std::int64_t cost) {
  auto bucket = spent(before, cost);
  if (bucket.used < before.burst) return bucket;
  if (before.used >= before.burst) return before;
  bucket.used = before.burst;
  bucket.remainder = 0;
  return bucket;
}

}  // namespace

/// One message whose charges are not all one question: what is known of it so far.
struct GuardedStore::Case {
  explicit Case(std::span<const Charge> all) : charges(all), is_local(all.size()), seen(all.size()) {}

  std::span<const Charge> charges;
  std::vector<bool> is_local;
  std::vector<Taken> seen;
  std::optional<StoreError> error{};  // the first one
  std::string outage{};
  Holding holding{};

  [[nodiscard]] bool has_local() const { return std::find(is_local.begin(), is_local.end(), true) != is_local.end(); }

  [[nodiscard]] std::vector<Charge> some(const std::vector<std::size_t>& places) const {
    std::vector<Charge> chosen;
    for (const auto place : places) chosen.push_back(charges[place]);
    return chosen;
  }

  /// The same of those that are not taken: only what failed counts as a refusal.
  [[nodiscard]] std::vector<Charge> refused(const std::vector<std::size_t>& places) const {
    auto chosen = some(places);
    for (std::size_t i = 0; i < places.size(); ++i)
      if (chosen[i].group == Group::observed || holds(chosen[i], seen[places[i]])) chosen[i].refusal_window.reset();
    return chosen;
  }

  void has_no_answer(std::size_t index, const StoreError& why) {
    is_local[index] = true;
    outage = why.text;
    if (!error) error = why;
  }
};

GuardedStore::GuardedStore(SpreadStore& store, GuardOptions options, std::uint64_t seed)
    : store_(store),
      options_(std::move(options)),
      state_folder_(options_.state_folder || !options_.kept_shares ? options_.state_folder
                                                                   : std::make_shared<StateFolder>(options_.kept_shares->parent_path())),
      nodes_(options_.nodes),
      levels_(options_.most_levels, seed),
      shares_(levels_, options_.most_shares, seed),
      batch_(few) {
  recall_if_due();
  if (options_.in_place == InPlaceOfStore::share && options_.charge_back_every > Milliseconds{0})
    thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

GuardedStore::~GuardedStore() { stop(); }

/// Only who has the folder for itself takes what is kept there: another daemon may owe it. It may end later.
void GuardedStore::recall_if_due() {
  const auto now = std::chrono::steady_clock::now();
  if (options_.in_place != InPlaceOfStore::share || !options_.kept_shares || kept_ || now < recall_at_) return;
  recall_at_ = now + each_second;
  const auto locked = state_folder_->lock();
  tell(locked ? "" : locked.error());
  if (locked) recall();
}

void GuardedStore::recall() {
  const auto now = store_.steady_now();
  const auto recalled = recall_shares(*options_.kept_shares, options_.host_now(), now);
  if (!recalled.note.empty() && options_.note) options_.note(recalled.note);
  const auto lost = std::count_if(recalled.owed.begin(), recalled.owed.end(), [&](const auto& owed) { return !shares_.restore(owed, now); });
  if (lost > 0 && options_.note)
    options_.note(options_.kept_shares->native() + ": " + std::to_string(lost) + " shares could not be taken over and are not charged back");
  StateFileOptions file{.path = *options_.kept_shares, .folder = state_folder_, .things = "shares", .report = options_.report};
  file.text = [this] {
    const auto each = [this](const auto& take) { shares_.each_owed(store_.steady_now(), take); };
    return text_of(each, options_.host_now());
  };
  file.written_within = seldom;
  file.shortest_gap = each_second;
  kept_ = std::make_unique<StateFile>(std::move(file));
}

void GuardedStore::tell(const std::string& problem) {
  if (problem != told_ && options_.report) options_.report(problem);
  told_ = problem;
}

void GuardedStore::stop() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
  if (!kept_) return;
  if (!shares_.is_empty()) kept_->changed();
  kept_->stop();
}

void GuardedStore::note_health(const std::string& error) {
  const bool is_away = !error.empty();
  if (is_away) last_error_.store(std::make_shared<const std::string>(error));
  if (is_away_.load(std::memory_order_relaxed) != is_away) is_away_.store(is_away);
}

std::string GuardedStore::why_shares_judge() const {
  const auto error = is_away_.load(std::memory_order_relaxed) ? last_error_.load() : nullptr;
  return error ? *error : std::string(not_charged_back);
}

Result<Outcome, StoreError> GuardedStore::take(std::span<const Charge> charges) { return ask(charges, Verb::take); }
Result<Outcome, StoreError> GuardedStore::peek(std::span<const Charge> charges) { return ask(charges, Verb::peek); }

bool GuardedStore::is_any_local(std::span<const Charge> charges) const {
  return !shares_.is_empty() && std::any_of(charges.begin(), charges.end(), [this](const Charge& one) { return shares_.judges(one); });
}

Result<Outcome, StoreError> GuardedStore::ask(std::span<const Charge> charges, Verb verb) {
  if (charges.empty()) return Outcome{now(), true, true, {}, {}};
  if (!is_any_local(charges) && store_.is_one_question(charges)) {
    auto answer = verb == Verb::take ? store_.take(charges) : store_.peek(charges);
    note_health(answer ? "" : answer.error().text);
    if (answer) {
      note(charges, *answer, verb);
      return answer;
    }
    if (options_.in_place == InPlaceOfStore::nobody) return answer;
    Case all(charges);
    for (std::size_t i = 0; i < charges.size(); ++i) all.has_no_answer(i, answer.error());
    return ask_apart(all, verb);
  }
  Case of(charges);
  look(of);
  if (of.error && options_.in_place == InPlaceOfStore::nobody) return *of.error;
  return ask_apart(of, verb);
}

/// Remembers what the store holds after its answer.
void GuardedStore::note(std::span<const Charge> charges, const Outcome& outcome, Verb verb) {
  if (options_.in_place == InPlaceOfStore::nobody) return;
  const Holding taken = verb == Verb::peek ? Holding{} : Holding{outcome.enforced_taken, outcome.observed_taken};
  const auto at = store_.steady_now();
  for (std::size_t i = 0; i < charges.size(); ++i) {
    const auto& bucket = outcome.charges[i].bucket;
    levels_.note(charges[i], taken.takes(charges[i]) ? spent(bucket, charges[i].cost) : bucket, at);
  }
}

/// Asks the store about every charge that no share has to judge.
void GuardedStore::look(Case& of) {
  if (!shares_.is_empty())
    for (std::size_t i = 0; i < of.charges.size(); ++i) of.is_local[i] = shares_.judges(of.charges[i]);
  std::vector<Charge> some;
  auto asked = of.charges;
  if (of.has_local()) {
    of.outage = why_shares_judge();
    for (std::size_t i = 0; i < of.charges.size(); ++i)
      if (!of.is_local[i]) some.push_back(of.charges[i]);
    asked = some;
  }
  if (asked.empty()) return;
  const auto answers = store_.look(asked);
  std::size_t next = 0;
  for (std::size_t i = 0; i < of.charges.size(); ++i) {
    if (of.is_local[i]) continue;
    const auto& answer = answers[next++];
    if (answer)
      of.seen[i] = *answer;
    else
      of.has_no_answer(i, answer.error());
  }
  note_health(of.error ? of.error->text : "");
}

Result<Outcome, StoreError> GuardedStore::ask_apart(Case& of, Verb verb) {
  judge(of, verb);
  if (verb == Verb::take) commit(of);
  return Outcome{now(), of.holding.enforced, of.holding.observed, std::move(of.seen), std::move(of.outage)};
}

/// Decides, and takes from the shares, while nobody else does.
void GuardedStore::judge(Case& of, Verb verb) {
  std::vector<const Charge*> local;
  for (std::size_t i = 0; i < of.charges.size(); ++i)
    if (of.is_local[i]) local.push_back(&of.charges[i]);
  const auto at = store_.steady_now();
  const auto nodes = nodes_.load(std::memory_order_relaxed);
  auto sitting = shares_.sit(local);
  for (std::size_t i = 0; i < of.charges.size(); ++i)
    if (of.is_local[i]) of.seen[i] = sitting.look(of.charges[i], nodes, at);
  of.holding = holding_of(of.charges, of.seen);
  if (verb == Verb::peek) return;
  for (const auto* const charge : local)
    if (of.holding.takes(*charge) && charge->cost > 0) sitting.spend(*charge, nodes, at);
}

/// Takes from the store what holds, and counts there what it refused; a share's refusals are not counted. What is not taken is told
/// too: a bucket that was written before its server's clock stepped back is written anew, or it would not be refilled until then.
void GuardedStore::commit(Case& of) {
  std::vector<std::size_t> taken;
  std::vector<std::size_t> refused;
  for (std::size_t i = 0; i < of.charges.size(); ++i) {
    const auto& charge = of.charges[i];
    if (of.is_local[i]) continue;
    if (of.holding.takes(charge)) {
      taken.push_back(i);
      continue;
    }
    levels_.note(charge, of.seen[i].bucket, store_.steady_now());
    refused.push_back(i);
  }
  if (taken.empty() && refused.empty()) return;
  const bool is_whole = taken.size() == of.charges.size();
  const auto answers = is_whole ? store_.commit(of.charges, {}) : store_.commit(of.some(taken), of.refused(refused));
  taken.insert(taken.end(), refused.begin(), refused.end());
  for (std::size_t i = 0; i < taken.size(); ++i) committed(of, taken[i], answers[i]);
}

void GuardedStore::committed(Case& of, std::size_t index, const Result<Taken, StoreError>& answer) {
  const auto& charge = of.charges[index];
  const bool is_taken = of.holding.takes(charge);
  const auto at = store_.steady_now();
  if (answer) {
    of.seen[index].refusals = answer->refusals;
    if (is_taken) levels_.note(charge, spent(answer->bucket, charge.cost), at);
    return;
  }
  of.outage = answer.error().text;
  note_health(of.outage);
  if (!is_taken || charge.cost == 0) return;
  // The message goes out: what was not charged is owed, and what may have been is taken for charged.
  if (answer.error().executed == Executed::possibly) {
    levels_.note(charge, spent(of.seen[index].bucket, charge.cost), at);
  } else if (options_.in_place == InPlaceOfStore::share) {
    const Charge* const one = &charge;
    shares_.sit({&one, 1}).spend(charge, nodes_.load(std::memory_order_relaxed), at);
  }
}

Result<std::int64_t, StoreError> GuardedStore::hold(const Identity& identity, const std::string& host, std::int64_t most) {
  auto answer = store_.hold(identity, host, most);
  if (!answer) return holds_.count(identity, host, most);
  holds_.forget(identity, host);
  return answer;
}

void GuardedStore::charge_back() { charge_back(std::stop_token{}); }

void GuardedStore::charge_back(const std::stop_token& stop) {
  for (int without_answer = 0; without_answer < most_without_answer && !stop.stop_requested();) {
    const auto began = std::chrono::steady_clock::now();
    const auto batch = charge_back_some();
    if (batch == Batch::none_owed) return;
    const bool hangs = std::chrono::steady_clock::now() - began > at_once;
    if (batch == Batch::no_answer && hangs) return;
    without_answer = batch == Batch::no_answer ? without_answer + 1 : 0;
  }
}

GuardedStore::Batch GuardedStore::charge_back_some() {
  auto due = shares_.due(std::exchange(batch_, few), store_.steady_now());
  if (due.charges.empty()) return Batch::none_owed;
  // A server that hangs is asked something harmless first: what it may have executed is not charged again.
  const auto looked = store_.look(due.charges);
  Shares::Debts answered;
  for (std::size_t i = 0; i < looked.size(); ++i) {
    if (!looked[i]) {
      shares_.unpaid(due.charges[i]);
      continue;
    }
    answered.charges.push_back(std::move(due.charges[i]));
    answered.starts.push_back(looked[i]->bucket);
  }
  if (answered.charges.empty()) return Batch::no_answer;
  std::optional<StateFile::Absence> absence;
  if (kept_) {
    absence.emplace(*kept_);
    tell(absence->problem());
  }
  const auto answers = store_.repay(answered.charges);
  bool is_any_paid = false;
  for (std::size_t i = 0; i < answers.size(); ++i) {
    if (!answers[i] && answers[i].error().executed == Executed::no) continue;
    is_any_paid = true;
    const auto& debt = answered.charges[i];
    const auto at = store_.steady_now();
    auto level = repaid(answers[i] ? answers[i]->bucket : answered.starts[i], debt.cost);
    levels_.note(debt, level, at);
    level.written = at;
    shares_.paid(debt, level, at);
  }
  if (!is_any_paid) return Batch::no_answer;
  note_health("");
  batch_ = many;
  return Batch::charged_back;
}

void GuardedStore::run(const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any stopped;
  std::unique_lock lock(mutex);
  bool was_owed = true;
  while (!stopped.wait_for(lock, stop, options_.charge_back_every, [&stop] { return stop.stop_requested(); })) {
    recall_if_due();
    const bool is_owed = !shares_.is_empty();
    if (kept_ && (is_owed || was_owed)) kept_->changed();
    was_owed = is_owed;
    charge_back(stop);
  }
}

}  // namespace quota
