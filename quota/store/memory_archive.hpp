// MemoryArchive: histories in the process, for `memory:`. Bounded: where there is no room, the identity that was seen least lately goes.
// Known limit: a restart forgets them.
#pragma once

#include <deque>
#include <list>
#include <mutex>
#include <unordered_map>

#include "quota/archive.hpp"
#include "quota/store/clock.hpp"
#include "quota/store/memory_shelves.hpp"

namespace quota {

class MemoryArchive final : public Archive {
 public:
  struct Room {
    std::size_t identities = 20'000;
    std::size_t bytes = std::size_t{256} << 20;  ///< of texts, and 300 of each identity; one with all that is kept of it has some 50 kB
  };
  /// Requires: `clock` outlives it.
  MemoryArchive(const Clock& clock, HistoryBounds bounds, Room room) : clock_(clock), bounds_(bounds), room_(room), shelves_(bounds_) {}
  MemoryArchive(const Clock& clock, HistoryBounds bounds) : MemoryArchive(clock, bounds, Room{}) {}

  /// Takes no time to speak of: all of it, whatever `until` is.
  [[nodiscard]] std::optional<Unwritten> write(std::span<const Note> notes, SteadyMoment until) override;
  [[nodiscard]] Result<Chronicle, StoreError> read(const Identity& identity) override;
  [[nodiscard]] Result<std::vector<Ranked>, StoreError> top(const TopQuestion& question) override;
  [[nodiscard]] Result<std::vector<History>, StoreError> histories(std::span<const Identity> identities) override;
  [[nodiscard]] Result<Search, StoreError> find(const MessageName& name, std::size_t most, SteadyMoment until) override;
  [[nodiscard]] Result<std::vector<ShelfCount>, StoreError> shelves(const std::optional<Identity>& identity) override;
  [[nodiscard]] Result<ShelfPage, StoreError> page(const Shelf& shelf, const std::string& from, std::size_t count) override;
  [[nodiscard]] Result<std::vector<QueuedMail>, StoreError> mail_at(const Shelf& shelf, std::span<const std::string> places) override;
  [[nodiscard]] Result<void, StoreError> take_away(const Shelf& shelf, std::span<const std::string> places) override;
  [[nodiscard]] Result<void, StoreError> see_host(const std::string& host) override;
  [[nodiscard]] Result<std::vector<std::string>, StoreError> hosts_seen() override;
  [[nodiscard]] Result<bool, StoreError> give(const QueueOrder& order) override;
  [[nodiscard]] Result<std::vector<OrderStatus>, StoreError> orders() override;
  [[nodiscard]] Result<std::optional<OrderReport>, StoreError> report(const std::string& order, const std::string& host, const OrderReport& report) override;

 private:
  struct NetworksOfHour {
    std::int32_t hour;
    std::uint32_t networks;
  };
  /// Of one identity. As texts, which take a tenth of what the values do.
  struct Kept {
    Kind kind;
    std::string identity;
    HistoryText history{};
    std::deque<std::string> messages{};
    std::vector<NetworksOfHour> networks{};  ///< by hour
    Timestamp written{};
    std::size_t bytes = 0;  ///< as room_ counts them
  };
  using Place = std::list<Kept>::iterator;

  /// What is still kept of it; null where nothing is. Requires: mutex_.
  [[nodiscard]] const Kept* find_kept(const Identity& identity, Timestamp now) const;
  [[nodiscard]] Kept& kept_of(const Identity& identity);
  void add_to(Kept& kept, const Note& note, Timestamp now);
  void keep_messages(Kept& kept, const Note& note, Timestamp now);
  [[nodiscard]] std::vector<QueuedMail> last_sent(const Identity& identity) const;
  void make_room(Timestamp now);

  const Clock& clock_;
  const HistoryBounds bounds_;
  const Room room_;

  mutable std::mutex mutex_{};
  // Guarded by mutex_.
  std::list<Kept> kept_{};  // the latest first
  std::unordered_map<std::string, Place> by_identity_{};
  std::size_t bytes_ = 0;   // of all
  MemoryShelves shelves_;
};

}  // namespace quota
