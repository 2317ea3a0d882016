// MemoryStore: the embedded store, `memory:`. Everything in the process; nothing to install.
//
// Buckets survive a restart through a snapshot each minute and one at the end; tables, blocks and releases through a
// journal that is on disk before they take effect (memory_state.hpp). Without a state_dir nothing survives: for tests,
// and for the buckets that stand in while Redis is away. This class only composes: records and their locks are in
// memory_records.hpp, tables in memory_tables.hpp. Known limit: one daemon. Several share a quota only through Redis.
#pragma once

#include <thread>

#include "quota/store/memory_state.hpp"

namespace quota {

struct MemoryOptions {
  /// Above this many records the ones nearest to their end are given up. About 140 bytes each with one limit.
  std::size_t most_records = 4'000'000;
  /// Locks. More of them: shorter waits and shorter pauses while a snapshot is written; about 300 bytes each.
  std::size_t shards = 1024;
  /// Where state is kept; empty: nowhere.
  std::optional<std::filesystem::path> state_dir{};
  /// Between snapshots; zero: only when save() is called, and at the end.
  Milliseconds save_every = std::chrono::minutes{1};
  /// Told in a sentence what failed in the background. Threads: the store's own, or a caller's.
  std::function<void(const std::string&)> on_problem{};
};

class MemoryStore final : public Store, public Ledger {
 public:
  /// Errors: a sentence for the administrator; the daemon cannot start.
  [[nodiscard]] static Result<std::unique_ptr<MemoryStore>, std::string> open(const Clock& clock,
                                                                              MemoryOptions options);

  /// Saves a last time.
  ~MemoryStore() override;

  /// What was found and done at the start that the administrator should know, in sentences.
  [[nodiscard]] std::vector<std::string> notes() const;

  /// Writes a snapshot now. Time: seconds for millions of records; messages wait for one shard at a time.
  [[nodiscard]] Result<void, std::string> save();

  /// Drops expired records now. save() does so too, and each new record drops a few.
  void sweep() { records_.sweep(); }
  [[nodiscard]] MemoryCounts counts() { return records_.counts(); }

  // Store
  [[nodiscard]] Result<Outcome, StoreError> take(std::span<const Charge> charges) override;
  [[nodiscard]] Result<Outcome, StoreError> peek(std::span<const Charge> charges) override;
  [[nodiscard]] Result<std::int64_t, StoreError> hold(const Identity& identity, const std::string& host,
                                                      std::int64_t most) override;
  [[nodiscard]] Timestamp now() const override { return clock_.now(); }

  // Ledger
  [[nodiscard]] Result<Record, StoreError> record(const Identity& identity) override;
  [[nodiscard]] std::vector<Result<std::int64_t, StoreError>> count_refusals(
      std::span<const RefusalBatch> batches) override;
  [[nodiscard]] Result<void, StoreError> mark_blocked(const Identity& identity, const BlockMark& mark) override;
  [[nodiscard]] Result<bool, StoreError> release(const Identity& identity, const std::string& block_id) override;
  [[nodiscard]] Result<void, StoreError> unhold(const Identity& identity, const std::string& host, std::int64_t count) override;
  [[nodiscard]] Result<void, StoreError> refill(const Identity& identity) override;
  [[nodiscard]] Result<TablesText, StoreError> tables() override;
  [[nodiscard]] Result<EntryText, StoreError> entry(Table table, const std::string& field) override {
    return EntryText{tables_.find(table, field), clock_.now()};
  }
  [[nodiscard]] Result<bool, StoreError> replace(Table table, const std::string& field,
                                                 const std::optional<std::string>& expected,
                                                 const std::optional<std::string>& desired) override;
  [[nodiscard]] Result<bool, StoreError> claim(const std::string& name, Milliseconds lasting) override;
  [[nodiscard]] Result<std::optional<std::int64_t>, StoreError> tell(const std::string& name, Milliseconds lasting) override;
  [[nodiscard]] Result<ScriptNews, StoreError> learn(const ScriptSight& sight) override;
  [[nodiscard]] Result<void, StoreError> append(const Event& event) override;
  [[nodiscard]] Result<std::vector<PastEvent>, StoreError> events(const EventRange& range) override;
  [[nodiscard]] Result<void, StoreError> write_node(const std::string& name, const std::optional<std::string>& text) override;
  [[nodiscard]] Result<NodesText, StoreError> nodes() override { return NodesText{nodes_.all(), clock_.now()}; }
  bool wait_for_change(Milliseconds at_most) override { return tables_.wait_for_change(at_most); }
  void wake() override { tables_.wake(); }

 private:
  using Effect = std::function<void(std::uint64_t)>;

  MemoryStore(const Clock& clock, MemoryOptions options, std::unique_ptr<MemoryState> state);
  [[nodiscard]] Result<void, StoreError> change(const MemoryState::Words& words, const Effect& effect);
  void rewrite_journal_if_due();
  void save_now_and_then(const std::stop_token& stop);
  void report(const std::string& problem) const;

  // Constant after construction.
  const Clock& clock_;
  const MemoryOptions options_;
  const std::unique_ptr<MemoryState> state_;  // null without a state_dir
  const std::string history_;

  // Each guards itself.
  MemoryRecords records_;
  MemoryTables tables_{};
  MemoryClaims claims_{};
  MemoryScripts scripts_{};
  EventRing events_;
  MemoryNodes nodes_{};

  std::mutex changing_{};  // held from the check of a change over its line in the journal to its effect; guards *state_
  std::mutex saving_{};    // one snapshot at a time; taken before changing_
  std::jthread saver_{};
};

}  // namespace quota
