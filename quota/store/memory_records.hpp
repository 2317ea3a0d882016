// MemoryRecords: the buckets in memory, and everything else that a record holds. Knows no table and no file.
//
// A message looks at every bucket, then takes from every bucket, under the locks of all shards concerned, which are
// taken in one order; it reads the clock when it has them, so no shard sees time run backwards through two messages
// that overlap.
//
// What is written, and by what (the same in every store; tests/quota/store/contract.hpp holds them to it):
//  - a charge of a group that is taken writes its bucket; one of cost 0 writes nothing, and nor does one of a group
//  that is not;
//  - a bucket from the future (the clock stepped back) is written anew as it is at `now`, whether its group is taken or
//  not;
//  - a refusal is counted once per identity and quota, whatever number of its enforced charges fail;
//  - peek writes nothing and counts nothing.
// Requires: no two charges of one call name the same bucket. Threads: any.
#pragma once

#include <deque>

#include "quota/store.hpp"
#include "quota/store/clock.hpp"
#include "quota/store/memory_shard.hpp"

namespace quota {

class MemoryRecords {
 public:
  struct Size {
    std::size_t most;    ///< records; more are made only where a shard holds nothing but blocks
    std::size_t shards;  ///< each under its own lock
  };

  MemoryRecords(const Clock& clock, Size size, std::uint64_t seed);

  [[nodiscard]] Outcome take(std::span<const Charge> charges);
  [[nodiscard]] Outcome peek(std::span<const Charge> charges);
  [[nodiscard]] std::int64_t hold(const Identity& identity, const std::string& host, std::int64_t most);
  void unhold(const Identity& identity, const std::string& host, std::int64_t count);
  [[nodiscard]] std::int64_t count_refusals(const RefusalBatch& batch);
  [[nodiscard]] Record read(const std::string& identity);

  /// The changes that a journal knows by number, 0 for none. The mark that is there already only keeps the record
  /// longer.
  void mark(const std::string& identity, const BlockMark& mark, std::uint64_t number);
  void empty(const std::string& identity, std::uint64_t number);

  void put(const std::string& identity, const Record& record);
  void sweep();
  [[nodiscard]] MemoryCounts counts();

  [[nodiscard]] std::size_t shard_count() const { return parts_.size(); }
  /// Which of `shards` shards holds `identity`, under `seed`.
  [[nodiscard]] static std::size_t shard_of(std::string_view identity, std::size_t shards, std::uint64_t seed);

  /// Sweeps one shard and adds its records to `lines`. Returns the number of its last numbered change.
  [[nodiscard]] std::uint64_t write_shard(std::size_t index, std::string& lines);

 private:
  struct Part {
    Part(std::size_t most, std::uint64_t seed) : shard(most, seed) {}
    MemoryShard shard;
    std::uint64_t last_change = 0;  // guarded by the shard's mutex
  };
  /// Where a record lives.
  struct Seat {
    Part* part;
    RecordKey key;
    bool is_from_the_future = false;
  };
  using Locks = std::vector<std::unique_lock<std::mutex>>;

  [[nodiscard]] Seat seat(std::string identity);
  [[nodiscard]] std::vector<Seat> seats(std::span<const Charge> charges);
  [[nodiscard]] static Locks lock_all(const std::vector<Seat>& seats);
  [[nodiscard]] Outcome look(std::span<const Charge> charges, std::vector<Seat>& seats);
  static void commit(std::span<const Charge> charges, const std::vector<Seat>& seats, const Outcome& outcome);
  static void count_failures(std::span<const Charge> charges, const std::vector<Seat>& seats, Outcome& outcome);

  const Clock& clock_;
  const std::uint64_t seed_;
  std::deque<Part> parts_{};  // constant after construction; each part guarded by its mutex
};

}  // namespace quota
