// RedisShelves: the part of RedisArchive that knows queue ids, and the orders about them (redis_orders.cpp):
//
//   sendquota:held:{user:alice@example.com}:mx1.example.com   a stream, the oldest first; field `m` (quota/queued_mail.hpp)
//   sendquota:sent:{user:alice@example.com}:mx1.example.com   likewise, of those that no longer are among the last messages
//   sendquota:shelves:{user:alice@example.com}                a sorted set of `held HOST` and `sent HOST` by when the last came, ms
//   sendquota:held-shelves                                    likewise of `HOST IDENTITY` where mail is held
//   sendquota:queue-hosts                                     a sorted set of hosts by when they last asked for orders, ms
//   sendquota:orders                                          a hash, order id → order (quota/queue_order.hpp)
//   sendquota:order:ID                                        a hash, host → how far it has come
//
// A host's name is written %XX where it is no plain word. All expire by themselves. Threads: any.
#pragma once

#include <functional>
#include <map>
#include <set>

#include "quota/archive.hpp"
#include "quota/store/redis_store.hpp"

namespace quota {

class RedisShelves {
 public:
  using Texts = std::map<Shelf, std::vector<std::string>>;

  RedisShelves(RedisContext& context, const HistoryBounds& bounds, std::function<Timestamp()> now)
      : context_(context), bounds_(bounds), now_(std::move(now)) {}

  /// Empty, or of how many shelves something was not written, and why.
  [[nodiscard]] std::optional<Archive::Unwritten> write(const Texts& texts, SteadyMoment until);

  [[nodiscard]] Result<std::vector<ShelfCount>, StoreError> shelves(const std::optional<Identity>& identity);
  [[nodiscard]] Result<ShelfPage, StoreError> page(const Shelf& shelf, const std::string& from, std::size_t count);
  /// Adds the mail with that queue id, whoever's. Begins nothing more after `until`.
  [[nodiscard]] Result<void, StoreError> find(const std::string& queue_id, SteadyMoment until, Search& search);
  [[nodiscard]] Result<std::vector<QueuedMail>, StoreError> mail_at(const Shelf& shelf, std::span<const std::string> places);
  [[nodiscard]] Result<void, StoreError> take_away(const Shelf& shelf, std::span<const std::string> places);

  [[nodiscard]] Result<void, StoreError> see_host(const std::string& host);
  [[nodiscard]] Result<std::vector<std::string>, StoreError> hosts_seen();

  [[nodiscard]] Result<bool, StoreError> give(const QueueOrder& order);
  [[nodiscard]] Result<std::vector<OrderStatus>, StoreError> orders();
  [[nodiscard]] Result<std::optional<OrderReport>, StoreError> report(const std::string& order, const std::string& host, const OrderReport& report);

 private:
  using Words = std::vector<std::string>;

  [[nodiscard]] std::string key_of(const Shelf& shelf) const;
  [[nodiscard]] std::optional<Shelf> shelf_of(std::string_view key) const;
  [[nodiscard]] Result<void, StoreError> find_on(const Shelf& shelf, const std::string& queue_id, SteadyMoment until, Search& search);
  [[nodiscard]] Milliseconds kept_for(Fate fate) const { return fate == Fate::held ? bounds_.held_for : bounds_.queued_for; }
  /// Until when an administrator waits for one answer.
  [[nodiscard]] static SteadyMoment patience_ends();
  /// To the server that has the second word.
  [[nodiscard]] Result<RedisReply, StoreError> ask(const Words& words, SteadyMoment until = patience_ends());
  using Answers = std::vector<Result<RedisReply, StoreError>>;
  /// Likewise, all in one round trip, each answered for itself.
  [[nodiscard]] Answers ask_all(const std::vector<Words>& all, SteadyMoment until = patience_ends());
  /// Adds what a piece of the hash of orders holds, and what hosts say of them; not those whose `ids` are known.
  [[nodiscard]] std::optional<StoreError> read_orders(const ReplyView& fields, std::set<std::string>& ids, std::vector<OrderStatus>& known, SteadyMoment until);
  [[nodiscard]] std::optional<StoreError> forget_passed(std::vector<OrderStatus>& known, SteadyMoment until);
  [[nodiscard]] std::optional<StoreError> write_all(const Shelf& shelf, std::span<const std::string> texts, SteadyMoment until);
  [[nodiscard]] std::optional<StoreError> write_one(const Shelf& shelf, std::span<const std::string> texts);
  /// Where a shelf is listed: its own identity's, and for held mail everybody's.
  struct Place {
    std::string key;
    std::string entry;
  };
  [[nodiscard]] Place own_place(const Shelf& shelf) const;
  [[nodiscard]] Place common_place(const Shelf& shelf) const;
  [[nodiscard]] std::optional<StoreError> list(std::span<const Shelf> shelves);
  [[nodiscard]] std::optional<StoreError> unlist(const Shelf& shelf);
  [[nodiscard]] Result<std::vector<Shelf>, StoreError> listed(const std::optional<Identity>& identity);

  RedisContext& context_;
  const HistoryBounds& bounds_;
  const std::function<Timestamp()> now_;
};

}  // namespace quota
