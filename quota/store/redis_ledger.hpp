// RedisLedger: records, live tables and events in one Redis server, for background threads and commands.
//
// The tables are read by HSCAN on a connection of their own, never on one that judges. Redis tells a second one when a table
// has changed (client tracking, redirected); where it does not (no permission, a proxy between), the tables are polled.
// Threads: any; one caller at a time reads tables or waits for a change (the keeper's thread).
#pragma once

#include <memory>
#include <mutex>

#include "quota/store/redis_store.hpp"

namespace quota {

struct RedisLedgerOptions {
  Milliseconds read_timeout{3000};   ///< for reading all tables
  Milliseconds poll_every{500};      ///< where Redis cannot tell of changes
  std::int64_t most_events = 10'000; ///< the stream is cut at about this length
};

class RedisLedger final : public Ledger {
 public:
  explicit RedisLedger(RedisContext& context, RedisLedgerOptions options = {}) : context_(context), options_(options) {}

  [[nodiscard]] Result<Record, StoreError> record(const Identity& identity) override;
  [[nodiscard]] Result<std::vector<std::int64_t>, StoreError> count_refusals(std::span<const RefusalBatch> batches) override;
  [[nodiscard]] Result<void, StoreError> mark_blocked(const Identity& identity, const BlockMark& mark) override;
  [[nodiscard]] Result<bool, StoreError> release(const Identity& identity, const std::string& block_id) override;
  [[nodiscard]] Result<void, StoreError> refill(const Identity& identity) override;
  [[nodiscard]] Result<TablesText, StoreError> tables() override;
  [[nodiscard]] Result<EntryText, StoreError> entry(Table table, const std::string& field) override;
  [[nodiscard]] Result<bool, StoreError> replace(Table table, const std::string& field, const std::optional<std::string>& expected,
                                                 const std::optional<std::string>& desired) override;
  [[nodiscard]] Result<bool, StoreError> claim(const std::string& name, Milliseconds lasting) override;
  [[nodiscard]] Result<void, StoreError> append(const Event& event) override;
  [[nodiscard]] Result<std::vector<Event>, StoreError> events(std::size_t count) override;
  void wait_for_change(Milliseconds at_most) override;
  void wake() override { waker_.wake(); }

 private:
  using Texts = std::vector<std::string>;

  [[nodiscard]] Result<RedisReply, StoreError> ask(const Texts& words);
  [[nodiscard]] Result<RedisReply, StoreError> eval_on(const RedisScript& script, const std::string& key, const Texts& arguments);
  [[nodiscard]] Result<void, StoreError> open_reader(Deadline deadline);
  void open_listener(Deadline deadline);
  [[nodiscard]] Result<TablesText::Entries, StoreError> scan(Table table, Deadline deadline);
  [[nodiscard]] Result<bool, StoreError> has_same_epoch(const TablesText::Entries& read, Deadline deadline);
  [[nodiscard]] Result<std::string, StoreError> history(Deadline deadline);
  [[nodiscard]] Result<Timestamp, StoreError> server_time(Deadline deadline);

  RedisContext& context_;
  const RedisLedgerOptions options_;
  Waker waker_;
  // The keeper's thread only.
  std::unique_ptr<RedisConnection> reader_;
  std::unique_ptr<RedisConnection> listener_;  // null: Redis cannot tell of changes
};

}  // namespace quota
