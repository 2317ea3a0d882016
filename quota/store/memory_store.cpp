#include "quota/store/memory_store.hpp"

#include "quota/store/random_id.hpp"

namespace quota {
namespace {

constexpr std::size_t most_events = 10'000;

}  // namespace

MemoryStore::MemoryStore(const Clock& clock, MemoryOptions options, std::unique_ptr<MemoryState> state)
    : clock_(clock),
      options_(std::move(options)),
      state_(std::move(state)),
      history_(state_ ? state_->history() : random_id()),
      records_(clock, {options_.most_records, options_.shards}, seeded_hash(history_, 0)),
      events_(most_events) {}

Result<std::unique_ptr<MemoryStore>, std::string> MemoryStore::open(const Clock& clock, MemoryOptions options) {
  std::unique_ptr<MemoryState> state;
  if (options.state_dir) {
    auto opened = MemoryState::open(*options.state_dir, clock.now());
    if (!opened) return opened.error();
    state = std::move(*opened);
  }
  std::unique_ptr<MemoryStore> store{new MemoryStore(clock, std::move(options), std::move(state))};
  if (!store->state_) return store;
  const auto loaded = store->state_->load(store->records_, store->tables_, store->events_, store->scripts_, clock.now());
  if (!loaded) return loaded.error();
  if (store->options_.save_every > Milliseconds{0})
    store->saver_ = std::jthread([self = store.get()](const std::stop_token& stop) { self->save_now_and_then(stop); });
  return store;
}

MemoryStore::~MemoryStore() {
  if (saver_.joinable()) {
    saver_.request_stop();
    saver_.join();
  }
  const auto saved = save();
  if (!saved) report(saved.error());
}

std::vector<std::string> MemoryStore::notes() const { return state_ ? state_->notes() : std::vector<std::string>{}; }

void MemoryStore::report(const std::string& problem) const {
  if (options_.on_problem) options_.on_problem(problem);
}

void MemoryStore::save_now_and_then(const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any stopped;
  std::unique_lock lock(mutex);
  while (!stopped.wait_for(lock, stop, options_.save_every, [&stop] { return stop.stop_requested(); })) {
    const auto saved = save();
    if (!saved) report(saved.error());
  }
}

Result<void, std::string> MemoryStore::save() {
  if (!state_) return {};
  const std::lock_guard saving(saving_);
  const auto covers = [this] {
    const std::lock_guard changing(changing_);
    return state_->last_number();
  }();
  const auto written = state_->write_snapshot(records_, events_, scripts_, covers, clock_.now());
  if (!written) return written.error();
  const std::lock_guard changing(changing_);
  state_->forget_changes(covers);
  return {};
}

Result<Outcome, StoreError> MemoryStore::take(std::span<const Charge> charges) { return records_.take(charges); }
Result<Outcome, StoreError> MemoryStore::peek(std::span<const Charge> charges) { return records_.peek(charges); }

Result<std::int64_t, StoreError> MemoryStore::hold(const Identity& identity, const std::string& host,
                                                   std::int64_t most) {
  return records_.hold(identity, host, most);
}

Result<Record, StoreError> MemoryStore::record(const Identity& identity) { return records_.read(identity.text()); }

std::vector<Result<std::int64_t, StoreError>> MemoryStore::count_refusals(std::span<const RefusalBatch> batches) {
  std::vector<Result<std::int64_t, StoreError>> counts;
  counts.reserve(batches.size());
  for (const auto& batch : batches) counts.emplace_back(records_.count_refusals(batch));
  return counts;
}

void MemoryStore::rewrite_journal_if_due() {
  if (!state_->wants_rewrite()) return;
  const auto rewritten = state_->rewrite_journal(records_, tables_, clock_.now());
  if (!rewritten) report(rewritten.error());
}

Result<void, StoreError> MemoryStore::change(const MemoryState::Words& words, const Effect& effect) {
  std::uint64_t number = 0;
  if (state_) {
    rewrite_journal_if_due();
    const auto appended = state_->append(words, clock_.now());
    if (!appended) return appended.error();
    number = *appended;
  }
  effect(number);
  return {};
}

Result<void, StoreError> MemoryStore::mark_blocked(const Identity& identity, const BlockMark& mark) {
  const auto text = identity.text();
  const std::lock_guard changing(changing_);
  if (records_.read(text).block == mark.id) {
    records_.mark(text, mark,
                  0);  // its time may be extended, which no journal needs to know: the keeper does it at each start
    return {};
  }
  return change(MemoryState::mark_words(text, mark, clock_.now()),
                [&](std::uint64_t number) { records_.mark(text, mark, number); });
}

Result<bool, StoreError> MemoryStore::release(const Identity& identity, const std::string& block_id) {
  const auto text = identity.text();
  const std::lock_guard changing(changing_);
  if (block_id.empty() || records_.read(text).block != block_id) return false;
  const auto changed =
      change(MemoryState::empty_words(text), [&](std::uint64_t number) { records_.empty(text, number); });
  if (!changed) return changed.error();
  return true;
}

Result<void, StoreError> MemoryStore::unhold(const Identity& identity, const std::string& host, std::int64_t count) {
  records_.unhold(identity, host, count);
  return {};
}

Result<void, StoreError> MemoryStore::refill(const Identity& identity) {
  const auto text = identity.text();
  const std::lock_guard changing(changing_);
  return change(MemoryState::empty_words(text), [&](std::uint64_t number) { records_.empty(text, number); });
}

Result<TablesText, StoreError> MemoryStore::tables() {
  auto text = tables_.text();
  text.history = history_;
  text.now = clock_.now();
  return text;
}

Result<bool, StoreError> MemoryStore::replace(Table table, const std::string& field,
                                              const std::optional<std::string>& expected,
                                              const std::optional<std::string>& desired) {
  const std::lock_guard changing(changing_);
  if (tables_.find(table, field) != expected) return false;
  if (expected == desired) return true;
  const auto changed =
      change(MemoryState::put_words(table, field, desired), [&](std::uint64_t) { tables_.put(table, field, desired); });
  if (!changed) return changed.error();
  return true;
}

Result<bool, StoreError> MemoryStore::claim(const std::string& name, Milliseconds lasting) {
  return claims_.claim(name, lasting, clock_.now());
}

Result<std::optional<std::int64_t>, StoreError> MemoryStore::tell(const std::string& name, Milliseconds lasting) {
  return claims_.tell(name, lasting, clock_.now());
}

Result<ScriptNews, StoreError> MemoryStore::learn(const ScriptSight& sight) { return scripts_.learn(sight, clock_.now()); }

Result<void, StoreError> MemoryStore::append(const Event& event) {
  events_.append(event, clock_.now());
  return {};
}

Result<void, StoreError> MemoryStore::write_node(const std::string& name, const std::optional<std::string>& text) {
  nodes_.put(name, text);
  return {};
}

Result<std::vector<PastEvent>, StoreError> MemoryStore::events(const EventRange& range) { return events_.newest(range); }

}  // namespace quota
