// RedisTables: reads the live tables, and waits until one of them may have changed.
//
// The tables are read by HSCAN on connections of their own, never on one that judges, so that Redis is never held up for
// longer than one page. Redis tells a second connection which table has changed (client tracking, redirected), and only that
// one is read anew, each at least every `reread_every`; where it does not tell (no permission, a proxy between), all tables are
// polled. On a Cluster each table lies where its slot does, and
// moves with it. Threads: one at a time, the keeper's; only wake() comes from others.
#pragma once

#include <algorithm>
#include <array>
#include <list>
#include <memory>
#include <vector>

#include "quota/store/redis_store.hpp"

namespace quota {

struct RedisTablesOptions {
  Milliseconds answer_timeout{1000};  ///< for each page
  Milliseconds read_timeout{30'000};  ///< for reading all tables
  Milliseconds reread_every{5'000};   ///< a table of which no change was told
  Milliseconds poll_every{500};       ///< where Redis cannot tell of changes, or another server may hold a table by now
};

class RedisTables {
 public:
  explicit RedisTables(RedisContext& context, RedisTablesOptions options = {});

  [[nodiscard]] Result<TablesText, StoreError> read();
  /// As in Ledger.
  bool wait_for_change(Milliseconds at_most);
  void wake() { waker_.wake(); }

 private:
  using Place = RedisTopology::Place;
  using Words = std::vector<std::string>;

  /// Connections to one server. They end before their place, whose last user this may be: so one is destroyed, never assigned to.
  struct Reader {
    Place place;
    std::unique_ptr<RedisConnection> connection;
    std::unique_ptr<RedisConnection> listener;  // null: this server cannot tell of changes

    Reader(Place at, std::unique_ptr<RedisConnection> asks, std::unique_ptr<RedisConnection> listens)
        : place(std::move(at)), connection(std::move(asks)), listener(std::move(listens)) {}
    Reader(const Reader&) = delete;
    Reader& operator=(const Reader&) = delete;
    ~Reader() = default;

    [[nodiscard]] bool is_good() const { return connection->is_open() && (!listener || listener->is_open()); }
  };

  /// One table, and where it is read.
  struct Source {
    std::string key;
    Place holder{};     // by the map
    Place place{};      // who is asked: the holder, or in the midst of a migration who is about to become it
    bool asks = false;  // the latter
    // What was read there last, and when that began; empty: read it anew.
    std::optional<Deadline> read_at{};
    TableText text{};
  };

  [[nodiscard]] Deadline soon() const { return std::min(end_, std::chrono::steady_clock::now() + options_.answer_timeout); }
  [[nodiscard]] Source& source(Table table) { return sources_[static_cast<std::size_t>(table)]; }
  [[nodiscard]] Result<TablesText, StoreError> read_once();
  [[nodiscard]] Result<void, StoreError> open_readers();
  [[nodiscard]] Result<void, StoreError> open_reader(const Place& place);
  [[nodiscard]] std::unique_ptr<RedisConnection> open_listener(const Place& place, RedisConnection& reader) const;
  [[nodiscard]] Result<RedisReply, StoreError> ask(Source& source, const Words& words);
  [[nodiscard]] Result<void, StoreError> send(const Source& source, const Words& words);
  [[nodiscard]] Result<RedisReply, StoreError> receive(Source& source);
  [[nodiscard]] RedisConnection& connection_to(const Source& source);
  [[nodiscard]] Result<void, StoreError> read_table(Source& source);
  [[nodiscard]] Result<TableText, StoreError> scan(Source& source);
  [[nodiscard]] Result<bool, StoreError> has_same_epoch(const TableText& read);
  [[nodiscard]] Result<std::string, StoreError> history();
  [[nodiscard]] Result<Timestamp, StoreError> server_time();
  [[nodiscard]] bool hear_announcements();
  void forget(std::string_view key);
  void forget_all();
  void note_announcement(const RedisReply& message);
  [[nodiscard]] bool has_moved() const;
  [[nodiscard]] bool can_hear() const;

  RedisContext& context_;
  const RedisTablesOptions options_;
  Waker waker_;
  // Of the keeper's thread alone.
  std::array<Source, 3> sources_;  // by Table
  std::list<Reader> readers_;
  std::string history_;            // of what was read last
  bool was_redirected_ = false;
  Deadline read_at_{};  // when the last reading began
  Deadline end_{};      // of this reading
};

}  // namespace quota
