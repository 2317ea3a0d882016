// MemoryShelves: queue ids and orders in the process, for MemoryArchive, by whose lock it is guarded. Bounded: where there is no room, the
// oldest of the longest shelf go. Known limit: a restart forgets them.
#pragma once

#include <deque>
#include <map>

#include "quota/archive.hpp"

namespace quota {

class MemoryShelves {
 public:
  static constexpr std::size_t most_in_all = 500'000;

  explicit MemoryShelves(const HistoryBounds& bounds) : bounds_(bounds) {}

  void add(const Shelf& shelf, const Identity& identity, const QueuedMail& mail, Timestamp now);

  [[nodiscard]] std::vector<ShelfCount> shelves(const std::optional<Identity>& identity, Timestamp now);
  [[nodiscard]] ShelfPage page(const Shelf& shelf, const std::string& from, std::size_t count, Timestamp now) const;
  void find(const std::string& queue_id, Timestamp now, Search& search) const;
  [[nodiscard]] std::vector<QueuedMail> mail_at(const Shelf& shelf, std::span<const std::string> places) const;
  void take_away(const Shelf& shelf, std::span<const std::string> places);

  void see_host(const std::string& host, Timestamp now);
  [[nodiscard]] std::vector<std::string> hosts_seen(Timestamp now);

  [[nodiscard]] bool give(const QueueOrder& order, Timestamp now);
  [[nodiscard]] std::vector<OrderStatus> orders(Timestamp now);
  [[nodiscard]] std::optional<OrderReport> report(const std::string& order, const std::string& host, const OrderReport& report);

 private:
  struct Kept {
    std::map<std::uint64_t, std::string> texts{};  ///< by place
    Timestamp last{};
  };
  [[nodiscard]] Milliseconds kept_for(Fate fate) const { return fate == Fate::held ? bounds_.held_for : bounds_.queued_for; }
  void forget_oldest(std::map<Shelf, Kept>::iterator from);

  const HistoryBounds& bounds_;
  std::map<Shelf, Kept> kept_{};
  std::size_t in_all_ = 0;
  std::uint64_t next_place_ = 1;
  std::map<std::string, Timestamp> hosts_{};  // when each asked for orders
  std::map<std::string, OrderStatus> orders_{};
};

}  // namespace quota
