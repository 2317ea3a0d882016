// MemoryArchive: histories in the process, for `memory:`. Bounded: where there is no room, the identity that was seen least lately goes.
// Known limit: a restart forgets them.
#pragma once

#include <deque>
#include <list>
#include <mutex>
#include <unordered_map>

#include "quota/archive.hpp"
#include "quota/store/clock.hpp"

namespace quota {

class MemoryArchive final : public Archive {
 public:
  /// Requires: `clock` outlives it. An identity with all that is kept of it takes some 40 kB, a usual one 4.
  MemoryArchive(const Clock& clock, HistoryBounds bounds, std::size_t most_identities = 20'000)
      : clock_(clock), bounds_(bounds), most_identities_(most_identities) {}

  [[nodiscard]] std::optional<Unwritten> write(std::span<const Note> notes) override;
  [[nodiscard]] Result<Chronicle, StoreError> read(const Identity& identity) override;
  [[nodiscard]] Result<std::vector<Ranked>, StoreError> top(const TopQuestion& question) override;

 private:
  struct Kept {
    Kind kind;
    std::string identity;
    History history{};
    std::deque<std::string> messages{};  // as texts: they take less
    Timestamp written{};
    std::map<std::int64_t, std::int64_t> networks_of_hour{};
  };
  using Place = std::list<Kept>::iterator;

  [[nodiscard]] Kept& kept_of(const Identity& identity);
  [[nodiscard]] std::vector<Ranked> top_of_hour(const TopQuestion& question, std::int64_t hour) const;

  const Clock& clock_;
  const HistoryBounds bounds_;
  const std::size_t most_identities_;

  mutable std::mutex mutex_{};
  // Guarded by mutex_.
  std::list<Kept> kept_{};  // the latest first
  std::unordered_map<std::string, Place> by_identity_{};
};

}  // namespace quota
