#include "quota/store/keeper.hpp"

#include <algorithm>

#include "quota/time_text.hpp"

namespace quota {
namespace {

constexpr Milliseconds shortest_gap{50};
constexpr Milliseconds obeyed_within{800};
constexpr int gap_per_reading = 10;
constexpr Milliseconds first_pause{100};
constexpr Milliseconds longest_pause{1000};
constexpr Milliseconds retry_steps_after{1000};
constexpr Milliseconds steps_at_least{300};
constexpr int marks_in_a_row = 50;
constexpr Milliseconds pause_between_marks{10};
constexpr std::size_t most_owed = 10'000;

/// A change may be missed by the reading in which it falls; it waits for the gap and the next reading then.
template <class Duration>
Milliseconds gap_after(Duration reading) {
  const auto took = std::chrono::ceil<Milliseconds>(reading);
  return std::clamp(took * gap_per_reading, shortest_gap, std::max(shortest_gap, obeyed_within - 2 * took));
}

}  // namespace

Keeper::Keeper(Ledger& ledger, KeeperOptions options)
    : ledger_(ledger),
      options_(std::move(options)),
      events_(ledger, options_.host),
      runner_(ledger, events_),
      pause_after_failure_(first_pause),
      tables_(std::make_shared<const Tables>()),
      clock_(options_.clock_believed_after) {
  if (options_.known_blocks) recall();
  thread_ = std::thread([this] { run(); });
}

Keeper::~Keeper() { stop(); }

bool Keeper::first_read(Milliseconds after_failures, Milliseconds at_most) {
  const auto began = Steady::now();
  std::unique_lock lock(mutex_);
  const auto is_over = [this] { return readings_ > 0 || stopping_; };
  changed_.wait_until(lock, began + at_most, [&] { return is_over() || has_failed_; });
  changed_.wait_until(lock, began + after_failures, is_over);
  return readings_ > 0;
}

TablesPtr Keeper::tables() const {
  const std::lock_guard lock(mutex_);
  return tables_;
}

std::optional<Timestamp> Keeper::now() const {
  const std::lock_guard lock(mutex_);
  return clock_.at(Steady::now());
}

std::optional<std::string> Keeper::ended_text(const Identity& identity) const {
  const auto moment = now();
  const std::lock_guard lock(known_mutex_);
  const auto found = known_.blocked.find(identity.text());
  if (!moment || found == known_.blocked.end() || found->second.block.holds_at(*moment)) return std::nullopt;
  return found->second.text;
}

std::uint64_t Keeper::readings() const {
  const std::lock_guard lock(mutex_);
  return readings_;
}

bool Keeper::is_settled() const {
  const std::lock_guard lock(known_mutex_);
  return known_.is_settled;
}

void Keeper::listen(std::function<void(const Tables&)> listener) {
  const std::lock_guard lock(listener_mutex_);
  listener_ = std::move(listener);
}

void Keeper::wake() { ledger_.wake(); }

void Keeper::stop() {
  if (!thread_.joinable()) return;
  std::unique_lock lock(mutex_);
  stopping_ = true;
  changed_.notify_all();
  // Again and again: the thread may be about to wait for the store, where only a later call reaches it.
  while (!finished_) {
    lock.unlock();
    ledger_.wake();
    lock.lock();
    changed_.wait_for(lock, Milliseconds{10}, [this] { return finished_; });
  }
  lock.unlock();
  thread_.join();
  if (kept_) kept_->stop();
}

/// What an earlier process knew holds from now on.
void Keeper::recall() {
  const auto host_now = std::chrono::floor<Milliseconds>(std::chrono::system_clock::now());
  auto recalled = recall_blocks(*options_.known_blocks, host_now);
  known_ = std::move(recalled.known);
  for (const auto& [field, known] : known_.blocked) known_.tables.block(field, known.block);
  tables_ = std::make_shared<const Tables>(known_.tables);
  for (const auto& note : recalled.notes) tell(KeeperReport::What::blocks_file_damaged, note);
  keep_blocks();
}

void Keeper::keep_blocks() {
  StateFileOptions options{.path = *options_.known_blocks, .folder = options_.state_folder, .things = "blocks"};
  options.text = [this] {
    const std::lock_guard lock(known_mutex_);
    return text_of(known_);
  };
  options.report = [this](const std::string& problem) {
    tell(problem.empty() ? KeeperReport::What::blocks_kept : KeeperReport::What::blocks_not_kept, problem);
  };
  kept_ = std::make_unique<StateFile>(std::move(options));
}

bool Keeper::is_stopping() const {
  const std::lock_guard lock(mutex_);
  return stopping_;
}

void Keeper::rest_until(Moment moment) {
  std::unique_lock lock(mutex_);
  changed_.wait_until(lock, moment, [this] { return stopping_; });
}

void Keeper::run() {
  while (!is_stopping()) {
    const auto began = Steady::now();
    auto text = read();
    const auto ended = Steady::now();
    if (!text) {
      note_unread();
      rest_until(ended + pause_after_failure_);
      pause_after_failure_ = std::min(pause_after_failure_ * 2, longest_pause);
      continue;
    }
    pause_after_failure_ = first_pause;
    read_clock(*text, ended);
    const auto before = tables();
    auto steps = take_over(*text);
    if (const auto fresh = tables(); fresh != before) tell_listener(*fresh);
    const auto published = Steady::now();
    settle_doubts();
    const auto next_at = published + gap_after(published - began);
    const bool read_again = carry_out(std::move(steps), std::max(next_at, published + steps_at_least));
    rest_until(next_at);
    if (!read_again && !is_stopping()) wait();
  }
  const std::lock_guard lock(mutex_);
  finished_ = true;
  changed_.notify_all();
}

std::optional<TablesText> Keeper::read() {
  auto text = ledger_.tables();
  const bool could_read = std::exchange(can_read_, text.has_value());
  if (could_read && !text) tell(KeeperReport::What::tables_unreadable, text.error().text);
  if (!could_read && text) tell(KeeperReport::What::tables_readable, "");
  if (!text) return std::nullopt;
  return std::move(*text);
}

void Keeper::note_unread() {
  const std::lock_guard lock(mutex_);
  has_failed_ = true;
  changed_.notify_all();
}

/// From here on `text.now` is the clock by which entries end.
void Keeper::read_clock(TablesText& text, Moment read_at) {
  text.server_now = text.now;
  std::unique_lock lock(mutex_);
  const auto news = clock_.learn(text.server_now, read_at);
  text.now = clock_.at(read_at).value_or(text.now);
  lock.unlock();
  if (news == TablesClock::News::none) return;
  const auto what = news == TablesClock::News::jumped     ? KeeperReport::What::clock_jumped
                    : news == TablesClock::News::believed ? KeeperReport::What::clock_believed
                                                          : KeeperReport::What::clock_came_back;
  tell(what, format_moment(text.server_now));
}

std::vector<Step> Keeper::take_over(const TablesText& read) {
  const std::lock_guard known_lock(known_mutex_);
  if (is_as_known(known_, read) && known_.spelling == options_.means.names().spelling) {
    known_.read_at = read.now;
    publish(nullptr);
    return std::exchange(owed_, {});
  }
  auto planned = plan(std::move(known_), read, options_.means);
  known_ = std::move(planned.after);
  if (planned.has_news && kept_) kept_->changed();
  wake_at_ = planned.wake_at;
  publish(std::make_shared<const Tables>(std::move(planned.tables)));
  auto steps = std::exchange(owed_, {});
  std::move(planned.steps.begin(), planned.steps.end(), std::back_inserter(steps));
  return steps;
}

/// `tables`: null where they are as they were.
void Keeper::publish(TablesPtr tables) {
  const std::lock_guard lock(mutex_);
  if (tables) tables_.swap(tables);  // the old ones go after the lock
  ++readings_;
  changed_.notify_all();
}

void Keeper::tell_listener(const Tables& fresh) {
  const std::lock_guard lock(listener_mutex_);
  if (listener_) listener_(fresh);
}

/// A change without an answer was ours if its text, with the random id that we gave it, stands there now.
void Keeper::settle_doubts() {
  for (const auto& change : std::exchange(in_doubt_, {})) {
    bool is_done = false;
    {
      const std::lock_guard lock(known_mutex_);
      const auto found = known_.blocked.find(change.field);
      is_done = found != known_.blocked.end() && found->second.text == change.desired;
    }
    if (is_done) runner_.follow_up(change);
  }
}

/// Returns whether the tables are to be read again at once: something was written or marked, or there was no time for all.
/// Marks may be very many and are in no hurry: they have all the time until the tables change, and leave most of it to others.
bool Keeper::carry_out(std::vector<Step> steps, Moment deadline) {
  failed_this_round_ = false;
  bool wrote = false, is_over = false, is_away_now = false;
  (void)events_.flush();
  int marks = 0;
  for (auto& step : steps) {
    const bool is_mark = std::holds_alternative<Mark>(step);
    if (!is_mark && !is_over) is_over = Steady::now() >= deadline;
    if (is_mark && !is_over && ++marks % marks_in_a_row == 0) is_over = ledger_.wait_for_change(pause_between_marks);
    is_over = is_over || is_stopping();
    if (is_over) {
      postpone(std::move(step));
      continue;
    }
    const auto ran = runner_.run(step);
    const bool is_won = ran && *ran == Ran::won;
    if (is_won && is_mark) note_marked(std::get<Mark>(step));
    wrote = wrote || (is_won && (std::holds_alternative<Change>(step) || is_mark));
    if (ran) continue;
    note_failure(step, ran.error());
    is_over = is_away_now = is_away(ran.error());
    postpone(std::move(step));
  }
  if (steps_fail_ && !failed_this_round_) tell(KeeperReport::What::steps_done, "");
  steps_fail_ = failed_this_round_;
  return wrote || (is_over && !is_away_now);
}

void Keeper::postpone(Step step) {
  const bool follows_again = std::holds_alternative<Change>(step) || std::holds_alternative<Mark>(step);
  if (!follows_again && owed_.size() < most_owed) owed_.push_back(std::move(step));
}

void Keeper::note_failure(const Step& step, const StoreError& error) {
  const auto* change = std::get_if<Change>(&step);
  const bool bears_own_id = change && change->marking && change->event && change->event->what == "blocked";
  if (bears_own_id && error.executed == Executed::possibly) in_doubt_.push_back(*change);
  if (!steps_fail_ && !failed_this_round_) tell(KeeperReport::What::steps_failing, error.text);
  failed_this_round_ = true;
}

void Keeper::note_marked(const Mark& step) {
  const std::lock_guard lock(known_mutex_);
  const auto found = known_.blocked.find(step.marking.identity.text());
  if (found == known_.blocked.end() || found->second.id != step.marking.mark.id) return;
  found->second.marked = true;
  if (kept_) kept_->changed();
}

void Keeper::wait() {
  auto at_most = options_.idle_read;
  if (failed_this_round_ || events_.kept() > 0) at_most = std::min(at_most, retry_steps_after);
  if (wake_at_)
    at_most = std::min(at_most, std::max(*wake_at_ - now().value_or(*wake_at_), Milliseconds{0}) + Milliseconds{1});
  ledger_.wait_for_change(at_most);
}

void Keeper::tell(KeeperReport::What what, std::string text) {
  if (options_.report) options_.report({what, std::move(text)});
}

}  // namespace quota
