// EventLog: a Ledger that passes everything on and logs each event as it is written. So the log of one daemon, the one that won,
// tells what the stream of events tells. What befell the store itself, or is wrong with its servers, was logged when it was seen, and reaches the
// stream later.
#pragma once

#include <functional>
#include <mutex>

#include "quota/store.hpp"

namespace milter {

class EventLog final : public quota::Ledger {
 public:
  explicit EventLog(quota::Ledger& ledger) : ledger_(ledger) {}

  template <class T>
  using OrError = quota::Result<T, quota::StoreError>;

  [[nodiscard]] OrError<void> append(const quota::Event& event) override;
  /// Told each event that was written, on the thread that wrote it. Threads: any.
  void listen(std::function<void(const quota::Event&)> listener);

  [[nodiscard]] OrError<quota::Record> record(const quota::Identity& identity) override { return ledger_.record(identity); }
  [[nodiscard]] std::vector<OrError<std::int64_t>> count_refusals(std::span<const quota::RefusalBatch> batches) override {
    return ledger_.count_refusals(batches);
  }
  [[nodiscard]] OrError<void> mark_blocked(const quota::Identity& identity, const quota::BlockMark& mark) override {
    return ledger_.mark_blocked(identity, mark);
  }
  [[nodiscard]] OrError<bool> release(const quota::Identity& identity, const std::string& block_id) override {
    return ledger_.release(identity, block_id);
  }
  [[nodiscard]] OrError<void> unhold(const quota::Identity& identity, const std::string& host, std::int64_t number) override { return ledger_.unhold(identity, host, number); }
  [[nodiscard]] OrError<void> refill(const quota::Identity& identity) override { return ledger_.refill(identity); }
  [[nodiscard]] OrError<quota::TablesText> tables() override { return ledger_.tables(); }
  [[nodiscard]] OrError<quota::EntryText> entry(quota::Table table, const std::string& field) override { return ledger_.entry(table, field); }
  [[nodiscard]] OrError<bool> replace(quota::Table table, const std::string& field, const std::optional<std::string>& expected,
                                      const std::optional<std::string>& desired) override {
    return ledger_.replace(table, field, expected, desired);
  }
  [[nodiscard]] OrError<bool> claim(const std::string& name, quota::Milliseconds lasting) override { return ledger_.claim(name, lasting); }
  [[nodiscard]] OrError<std::optional<std::int64_t>> tell(const std::string& name, quota::Milliseconds lasting) override {
    return ledger_.tell(name, lasting);
  }
  [[nodiscard]] OrError<quota::ScriptNews> learn(const quota::ScriptSight& sight) override { return ledger_.learn(sight); }
  [[nodiscard]] OrError<std::vector<quota::PastEvent>> events(const quota::EventRange& range) override { return ledger_.events(range); }
  [[nodiscard]] OrError<void> write_node(const std::string& name, const std::optional<std::string>& text) override {
    return ledger_.write_node(name, text);
  }
  [[nodiscard]] OrError<quota::NodesText> nodes() override { return ledger_.nodes(); }
  bool wait_for_change(quota::Milliseconds at_most) override { return ledger_.wait_for_change(at_most); }
  void wake() override { ledger_.wake(); }

 private:
  quota::Ledger& ledger_;
  std::mutex mutex_;
  std::function<void(const quota::Event&)> listener_;  // guarded by mutex_
};

}  // namespace milter
