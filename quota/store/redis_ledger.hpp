// RedisLedger: records, live tables and events in Redis, for background threads and commands.
// Threads: any; one caller at a time reads tables or waits for a change (the keeper's thread).
#pragma once

#include "quota/store/redis_tables.hpp"

namespace quota {

struct RedisLedgerOptions {
  RedisTablesOptions tables{};
  std::int64_t most_events = 10'000;  ///< the stream is cut at about this length
};

class RedisLedger final : public Ledger {
 public:
  explicit RedisLedger(RedisContext& context, RedisLedgerOptions options = {}) : context_(context), options_(options), tables_(context, options.tables) {}

  [[nodiscard]] Result<Record, StoreError> record(const Identity& identity) override;
  [[nodiscard]] std::vector<Result<std::int64_t, StoreError>> count_refusals(std::span<const RefusalBatch> batches) override;
  [[nodiscard]] Result<void, StoreError> mark_blocked(const Identity& identity, const BlockMark& mark) override;
  [[nodiscard]] Result<bool, StoreError> release(const Identity& identity, const std::string& block_id) override;
  [[nodiscard]] Result<void, StoreError> unhold(const Identity& identity, const std::string& host, std::int64_t count) override;
  [[nodiscard]] Result<void, StoreError> refill(const Identity& identity) override;
  [[nodiscard]] Result<TablesText, StoreError> tables() override { return tables_.read(); }
  [[nodiscard]] Result<EntryText, StoreError> entry(Table table, const std::string& field) override;
  [[nodiscard]] Result<bool, StoreError> replace(Table table, const std::string& field, const std::optional<std::string>& expected,
                                                 const std::optional<std::string>& desired) override;
  [[nodiscard]] Result<bool, StoreError> claim(const std::string& name, Milliseconds lasting) override;
  [[nodiscard]] Result<std::optional<std::int64_t>, StoreError> tell(const std::string& name, Milliseconds lasting) override;
  [[nodiscard]] Result<ScriptNews, StoreError> learn(const ScriptSight& sight) override;
  [[nodiscard]] Result<void, StoreError> append(const Event& event) override;
  [[nodiscard]] Result<std::vector<PastEvent>, StoreError> events(const EventRange& range) override;
  [[nodiscard]] Result<void, StoreError> write_node(const std::string& name, const std::optional<std::string>& text) override;
  [[nodiscard]] Result<NodesText, StoreError> nodes() override;
  bool wait_for_change(Milliseconds at_most) override { return tables_.wait_for_change(at_most); }
  void wake() override { tables_.wake(); }

 private:
  using Texts = std::vector<std::string>;

  /// `words` to the server that holds the key, which is the second of them.
  [[nodiscard]] Result<RedisReply, StoreError> ask(const Texts& words);
  [[nodiscard]] Result<RedisReply, StoreError> eval_on(const RedisScript& script, const std::string& key, const Texts& arguments);
  [[nodiscard]] std::vector<Result<std::int64_t, StoreError>> count_at_once(std::span<const RefusalBatch> batches);

  RedisContext& context_;
  const RedisLedgerOptions options_;
  RedisTables tables_;
};

}  // namespace quota
