// RedisArchive: histories in Redis, for all daemons of a cluster together. Two keys of an identity, and one of each hour, kind and measure:
//
//   sendquota:history:{user:alice@example.com}      a hash (quota/history.hpp)
//   sendquota:messages:{user:alice@example.com}     a list, the oldest first
//   sendquota:top:user:messages:498734              a sorted set: who sent the most in that hour since 1970
//
// Queue ids and orders about them: redis_shelves.hpp. All expire by themselves. A write is a few small scripts at a time, so that no message waits long behind it. Who reads waits for 700 ms.
#pragma once

#include <functional>

#include "quota/archive.hpp"
#include "quota/store/redis_shelves.hpp"

namespace quota {

class RedisArchive final : public Archive {
 public:
  /// `now` is the clock of what is noted; without one it is the context's. Requires: `context` outlives it.
  RedisArchive(RedisContext& context, HistoryBounds bounds, std::function<Timestamp()> now = {})
      : context_(context), bounds_(bounds), now_(now ? std::move(now) : [&context] { return context.now(); }), shelves_(context, bounds_, now_) {}

  [[nodiscard]] std::optional<Unwritten> write(std::span<const Note> notes, SteadyMoment until) override;
  [[nodiscard]] Result<Chronicle, StoreError> read(const Identity& identity) override;
  [[nodiscard]] Result<std::vector<Ranked>, StoreError> top(const TopQuestion& question) override;
  [[nodiscard]] Result<std::vector<History>, StoreError> histories(std::span<const Identity> identities) override;
  [[nodiscard]] Result<Search, StoreError> find(const MessageName& name, std::size_t most, SteadyMoment until) override;
  [[nodiscard]] Result<std::vector<ShelfCount>, StoreError> shelves(const std::optional<Identity>& identity) override;
  [[nodiscard]] Result<ShelfPage, StoreError> page(const Shelf& shelf, const std::string& from, std::size_t count) override;
  [[nodiscard]] Result<std::vector<QueuedMail>, StoreError> mail_at(const Shelf& shelf, std::span<const std::string> places) override { return shelves_.mail_at(shelf, places); }
  [[nodiscard]] Result<void, StoreError> take_away(const Shelf& shelf, std::span<const std::string> places) override { return shelves_.take_away(shelf, places); }
  [[nodiscard]] Result<void, StoreError> see_host(const std::string& host) override { return shelves_.see_host(host); }
  [[nodiscard]] Result<std::vector<std::string>, StoreError> hosts_seen() override { return shelves_.hosts_seen(); }
  [[nodiscard]] Result<bool, StoreError> give(const QueueOrder& order) override { return shelves_.give(order); }
  [[nodiscard]] Result<std::vector<OrderStatus>, StoreError> orders() override { return shelves_.orders(); }
  [[nodiscard]] Result<std::optional<OrderReport>, StoreError> report(const std::string& order, const std::string& host, const OrderReport& report) override {
    return shelves_.report(order, host, report);
  }

 private:
  /// Who has how much in one hour, by kind and measure.
  using Rankings = std::map<std::tuple<std::int64_t, Kind, Measure>, std::vector<Ranked>>;
  using Answers = std::vector<Result<RedisReply, StoreError>>;

  /// The lists of messages that one server holds are handed out by pieces; `cursor` is "0" after the last.
  [[nodiscard]] Result<void, StoreError> find_in(std::span<const std::string> lists, const MessageName& name, std::size_t most, SteadyMoment until, Search& search);
  /// Of HGETALL's answer, without what is not kept any longer.
  [[nodiscard]] Result<History, StoreError> history_in(const RedisReply& fields) const;
  [[nodiscard]] std::string history_key(const Identity& identity) const;
  [[nodiscard]] std::string messages_key(const Identity& identity) const;
  [[nodiscard]] std::string top_key(Kind kind, Measure measure, std::int64_t hour) const;
  [[nodiscard]] Answers write_some(std::span<const Note> notes, Rankings& rankings, RedisShelves::Texts& shelved);
  void shelve(const Note& note, const RedisReply* gone, RedisShelves::Texts& shelved) const;
  /// The mail that was let through and is among the last messages, the oldest first; of all hosts.
  [[nodiscard]] Result<std::vector<QueuedMail>, StoreError> last_sent(const Identity& identity);
  void rank(const Note& note, const RedisReply& hours, Rankings& rankings);
  /// Empty, or why it was not written.
  [[nodiscard]] std::optional<StoreError> write(const Rankings& rankings, SteadyMoment until);
  void forget_least();

  RedisContext& context_;
  const HistoryBounds bounds_;
  const std::function<Timestamp()> now_;
  // Of the writer: who has less than the least of a ranking is not sent to it. Forgotten each minute, for the ranking may be lost.
  std::map<std::tuple<std::int64_t, Kind, Measure>, std::int64_t> least_{};
  SteadyMoment least_until_{};
  RedisShelves shelves_;
};

}  // namespace quota
