// ScriptedLedger: one daemon's door to a store in memory that several daemons share, with the bad days that a test orders.
// The store itself keeps only what keepers, blockers and commands use: tables, records, claims and events.
#pragma once

#include <atomic>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <thread>

#include "quota/store.hpp"

namespace quota {

/// What all daemons share. A test changes it as an administrator with redis-cli would.
class SharedLedger {
 public:
  using Entries = std::map<std::string, std::string>;

  void put(Table table, const std::string& field, const std::string& text) {
    change([&] { entries(table)[field] = text; });
  }
  void remove(Table table, const std::string& field) {
    change([&] { entries(table).erase(field); });
  }
  /// FLUSHALL, or an empty Redis that took over; `history` stays the same for the first.
  void lose_everything(const std::string& history) {
    change([&] {
      blocked.clear(), overrides.clear(), accounts.clear(), records.clear(), claims.clear();
      history_ = history;
    });
  }
  void change_history(const std::string& history) {
    change([&] { history_ = history; });
  }
  /// The record is of another type than ours: SET instead of HSET.
  void spoil(const Identity& identity) {
    const std::lock_guard lock(mutex);
    spoilt.insert(identity.text());
  }
  /// So much time passes for the claims.
  void age_claims(Milliseconds passed) {
    const std::lock_guard lock(mutex);
    for (auto& [name, until] : claims) until -= passed;
  }

  [[nodiscard]] std::string text(Table table, const std::string& field) {
    const std::lock_guard lock(mutex);
    const auto& of = entries(table);
    const auto found = of.find(field);
    return found == of.end() ? std::string() : found->second;
  }
  [[nodiscard]] std::size_t count_events(const std::string& what) {
    const std::lock_guard lock(mutex);
    std::size_t count = 0;
    for (const auto& event : events) count += event.what == what ? 1 : 0;
    return count;
  }
  [[nodiscard]] Record record(const Identity& identity) {
    const std::lock_guard lock(mutex);
    return records[identity.text()];
  }
  void set_record(const Identity& identity, Record record) {
    const std::lock_guard lock(mutex);
    records[identity.text()] = std::move(record);
  }

  Entries& entries(Table table) {
    return table == Table::blocked ? blocked : table == Table::override_ ? overrides : accounts;
  }
  template <class Edit>
  void change(Edit edit) {
    const std::lock_guard lock(mutex);
    edit();
    ++version;
    changed.notify_all();
  }
  /// So much time passes for whoever asks what time it is.
  void pass(Milliseconds time) { shift = shift.load() + time; }
  [[nodiscard]] Timestamp now() const { return std::chrono::floor<Milliseconds>(std::chrono::system_clock::now()) + shift.load(); }

  std::atomic<Milliseconds> shift{Milliseconds{0}};  // of the clock
  std::mutex mutex;
  std::condition_variable changed;
  Entries blocked, overrides, accounts;
  std::map<std::string, Record> records;
  std::set<std::string> spoilt;
  std::map<std::string, Timestamp> claims;
  std::map<std::string, std::int64_t> left_out;
  std::map<std::string, KnownScripts> scripts;
  Entries nodes;
  std::vector<Event> events;
  std::size_t refills = 0;   // records emptied by a release or a refill
  std::uint64_t version = 0;
  std::string history_ = "run-1";
};

class ScriptedLedger final : public Ledger {
 public:
  explicit ScriptedLedger(SharedLedger& shared) : shared_(shared) {}

  // The next so many calls fail; `most` counts down. Guarded by the shared mutex.
  struct Failures {
    int tables = 0;
    int entries = 0;
    int records = 0;
    int counts = 0;  // batches
    int replaces = 0;
    int marks = 0;
    int releases = 0;
    int claims = 0;
    int appends = 0;
    int learns = 0;
    int nodes = 0;  // writing one, and reading them
    Executed executed = Executed::no;  // possibly: it was done, and only the answer is lost
    StoreErrorKind kind = StoreErrorKind::unreachable;
  };
  void fail(Failures failures) {
    const std::lock_guard lock(shared_.mutex);
    failures_ = failures;
  }
  [[nodiscard]] std::size_t node_readings() {
    const std::lock_guard lock(shared_.mutex);
    return node_readings_;
  }
  [[nodiscard]] std::size_t readings() {
    const std::lock_guard lock(shared_.mutex);
    return readings_;
  }

  Result<Record, StoreError> record(const Identity& identity) override {
    const std::lock_guard lock(shared_.mutex);
    if (take(failures_.records)) return error();
    return shared_.records[identity.text()];
  }

  std::vector<Result<std::int64_t, StoreError>> count_refusals(std::span<const RefusalBatch> batches) override {
    const std::lock_guard lock(shared_.mutex);
    std::vector<Result<std::int64_t, StoreError>> counts;
    for (const auto& batch : batches) counts.push_back(count(batch));
    return counts;
  }

  Result<void, StoreError> mark_blocked(const Identity& identity, const BlockMark& mark) override {
    const std::lock_guard lock(shared_.mutex);
    if (take(failures_.marks)) return error();
    auto& record = shared_.records[identity.text()];
    if (record.block == mark.id) {
      if (mark.ladder) record.ladder = prolonged(record.ladder, *mark.ladder);
      return {};
    }
    record.block = mark.id;
    if (mark.ladder) record.ladder = mark.ladder;
    record.refusals.erase(mark.quota);
    return {};
  }

  Result<bool, StoreError> release(const Identity& identity, const std::string& block_id) override {
    const std::lock_guard lock(shared_.mutex);
    if (take(failures_.releases)) return error();
    auto& record = shared_.records[identity.text()];
    if (block_id.empty() || record.block != block_id) return false;
    record = {};
    ++shared_.refills;
    return true;
  }

  Result<void, StoreError> unhold(const Identity&, const std::string&, std::int64_t) override { return {}; }
  Result<void, StoreError> refill(const Identity& identity) override {
    const std::lock_guard lock(shared_.mutex);
    shared_.records.erase(identity.text());
    ++shared_.refills;
    return {};
  }

  Result<TablesText, StoreError> tables() override {
    const std::lock_guard lock(shared_.mutex);
    if (take(failures_.tables)) return error();
    ++readings_;
    seen_ = shared_.version;
    TablesText text;
    text.blocked = {shared_.blocked.begin(), shared_.blocked.end()};
    text.overrides = {shared_.overrides.begin(), shared_.overrides.end()};
    text.accounts = {shared_.accounts.begin(), shared_.accounts.end()};
    text.history = shared_.history_;
    text.now = shared_.now();
    return text;
  }

  Result<EntryText, StoreError> entry(Table table, const std::string& field) override {
    const std::lock_guard lock(shared_.mutex);
    if (take(failures_.entries)) return error();
    const auto& entries = shared_.entries(table);
    const auto found = entries.find(field);
    return EntryText{found == entries.end() ? std::nullopt : std::optional(found->second), shared_.now()};
  }

  Result<bool, StoreError> replace(Table table, const std::string& field, const std::optional<std::string>& expected,
                                   const std::optional<std::string>& desired) override {
    const std::lock_guard lock(shared_.mutex);
    const bool fails = take(failures_.replaces);
    if (fails && failures_.executed == Executed::no) return error();
    auto& entries = shared_.entries(table);
    const auto found = entries.find(field);
    const auto held = found == entries.end() ? std::nullopt : std::optional(found->second);
    if (held == expected) {
      if (desired) entries[field] = *desired;
      else entries.erase(field);
      ++shared_.version;
      shared_.changed.notify_all();
    }
    if (fails) return error();
    return held == expected;
  }

  Result<bool, StoreError> claim(const std::string& name, Milliseconds lasting) override {
    const std::lock_guard lock(shared_.mutex);
    if (take(failures_.claims)) return error();
    const auto now = shared_.now();
    const auto found = shared_.claims.find(name);
    if (found != shared_.claims.end() && now < found->second) return false;
    shared_.claims[name] = now + lasting;
    return true;
  }

  Result<std::optional<std::int64_t>, StoreError> tell(const std::string& name, Milliseconds lasting) override {
    const std::lock_guard lock(shared_.mutex);
    if (take(failures_.claims)) return error();
    const auto now = shared_.now();
    const auto found = shared_.claims.find("told:" + name);
    if (found != shared_.claims.end() && now < found->second) {
      ++shared_.left_out[name];
      return std::nullopt;
    }
    shared_.claims["told:" + name] = now + lasting;
    return std::exchange(shared_.left_out[name], 0);
  }

  Result<ScriptNews, StoreError> learn(const ScriptSight& sight) override {
    const std::lock_guard lock(shared_.mutex);
    const bool fails = take(failures_.learns);
    if (fails && failures_.executed == Executed::no) return error();
    const auto news = quota::learn(shared_.scripts[sight.uid.text()], sight, shared_.now());
    if (fails) return error();
    return news;
  }

  Result<void, StoreError> append(const Event& event) override {
    const std::lock_guard lock(shared_.mutex);
    if (take(failures_.appends)) return error();
    shared_.events.push_back(event);
    shared_.changed.notify_all();
    return {};
  }

  Result<std::vector<PastEvent>, StoreError> events(const EventRange& range) override {
    const std::lock_guard lock(shared_.mutex);
    std::vector<PastEvent> newest;
    for (auto number = shared_.events.size(); number > 0 && newest.size() < range.count; --number)
      if (const EventId id{0, static_cast<std::int64_t>(number)}; range.contains(id)) newest.push_back({id, shared_.events[number - 1]});
    return newest;
  }

  Result<void, StoreError> write_node(const std::string& name, const std::optional<std::string>& text) override {
    const std::lock_guard lock(shared_.mutex);
    if (take(failures_.nodes)) return error();
    if (text) shared_.nodes[name] = *text;
    else shared_.nodes.erase(name);
    return {};
  }

  Result<NodesText, StoreError> nodes() override {
    const std::lock_guard lock(shared_.mutex);
    ++node_readings_;
    if (take(failures_.nodes)) return error();
    return NodesText{{shared_.nodes.begin(), shared_.nodes.end()}, shared_.now()};
  }

  bool wait_for_change(Milliseconds at_most) override {
    std::unique_lock lock(shared_.mutex);
    const bool is_new = shared_.changed.wait_for(lock, at_most, [this] { return woken_ || shared_.version != seen_; });
    woken_ = false;
    return is_new;
  }

  void wake() override {
    const std::lock_guard lock(shared_.mutex);
    woken_ = true;
    shared_.changed.notify_all();
  }

 private:
  static bool take(int& left) { return left > 0 && left-- > 0; }

  /// Requires: the shared mutex is held.
  Result<std::int64_t, StoreError> count(const RefusalBatch& batch) {
    if (shared_.spoilt.contains(batch.identity.text()))
      return StoreError{StoreErrorKind::misconfigured, Executed::no, "WRONGTYPE"};
    const bool fails = take(failures_.counts);
    if (fails && failures_.executed == Executed::no) return error();
    auto& refusals = shared_.records[batch.identity.text()].refusals;
    const auto found = refusals.find(batch.quota);
    const auto before = found == refusals.end() ? std::optional<Refusals>{} : found->second;
    const auto after = counted(before, shared_.now(), batch.window, batch.refusals);
    refusals.insert_or_assign(batch.quota, after);
    if (fails) return error();
    return after.count;
  }
  [[nodiscard]] StoreError error() const { return {failures_.kind, failures_.executed, "as ordered"}; }

  SharedLedger& shared_;
  Failures failures_;
  std::size_t readings_ = 0;
  std::size_t node_readings_ = 0;
  std::uint64_t seen_ = 0;
  bool woken_ = false;
};

/// Waits until `holds()`, at most `at_most`. Returns whether it came true.
template <class Condition>
[[nodiscard]] bool eventually(Condition holds, Milliseconds at_most = std::chrono::seconds{5}) {
  const auto deadline = std::chrono::steady_clock::now() + at_most;
  while (!holds()) {
    if (std::chrono::steady_clock::now() >= deadline) return false;
    std::this_thread::sleep_for(Milliseconds{2});
  }
  return true;
}

/// Makes every daemon read once more. Returns whether all did.
[[nodiscard]] inline bool all_read(const std::vector<std::unique_ptr<ScriptedLedger>>& doors) {
  std::vector<std::size_t> before;
  for (const auto& door : doors) before.push_back(door->readings());
  for (const auto& door : doors) door->wake();
  return eventually([&] {
    for (std::size_t i = 0; i < doors.size(); ++i)
      if (doors[i]->readings() <= before[i]) return false;
    return true;
  });
}

}  // namespace quota
