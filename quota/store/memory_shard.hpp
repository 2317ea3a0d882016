// MemoryShard: one part of the records in memory, under one lock.
//
// A record is absent from the moment it expires, whether it has been swept away already or not. It never expires
// earlier than any write asked for. There is a bound on the number of records: each new one sweeps a few expired ones
// away, and where that left no room the one nearest to its expiry among a sample goes, but never one that is blocked.
// So a shard that holds only blocked records grows past its bound. Threads: every call but mutex() under the mutex.
#pragma once

#include <mutex>
#include <unordered_set>

#include "quota/store/packed_record.hpp"

namespace quota {

struct RecordKey {
  std::string text;  ///< the identity's
  std::size_t hash;
};

/// Seeded, so that nobody who chooses his own names can choose collisions.
[[nodiscard]] std::size_t seeded_hash(std::string_view text, std::uint64_t seed);

/// Which bucket of a record: the quota it belongs to, and the limit it is judged by now.
struct BucketOf {
  const std::string& quota;
  const Limit& limit;
};

struct MemoryCounts {
  std::size_t records = 0;
  std::size_t expired = 0;  ///< swept away so far
  std::size_t evicted = 0;  ///< given up for want of room so far
};

class MemoryShard {
 public:
  MemoryShard(std::size_t most, std::uint64_t seed);

  [[nodiscard]] std::mutex& mutex() { return mutex_; }

  [[nodiscard]] std::optional<Bucket> bucket(const RecordKey& key, const BucketOf& which, Timestamp now) const;

  /// Everything of a record that is no bucket; null where there is none.
  [[nodiscard]] const Record* rest(const RecordKey& key, Timestamp now) const;

  /// The record whole; an absent one is empty.
  [[nodiscard]] Record read(const RecordKey& key, Timestamp now) const;

  /// Keeps the record at least until the bucket is full. Requires: bucket.written is now.
  void write(const RecordKey& key, const BucketOf& which, const Bucket& bucket);

  /// The same for all else, to be written to; the record is kept at least until `until`.
  [[nodiscard]] Record& writable_rest(const RecordKey& key, Timestamp now, Timestamp until);

  void erase(const RecordKey& key);

  /// Puts a whole record back, in place of one that is there. Buckets whose field names no unit and period are left
  /// out.
  void put(const RecordKey& key, const Record& record, Timestamp now);

  void sweep(Timestamp now);

  /// Adds the records as lines of a snapshot.
  void append_to(std::string& lines, Timestamp now) const;

  [[nodiscard]] MemoryCounts counts() const;

 private:
  struct Hash {
    using is_transparent = void;
    std::uint64_t seed;
    // Not noexcept: so the hash is kept in the node, where it fills a gap that malloc would leave.
    std::size_t operator()(const RecordKey& key) const { return key.hash; }
    std::size_t operator()(const PackedRecord::Ptr& record) const { return seeded_hash(record->key(), seed); }
  };
  struct Equal {
    using is_transparent = void;
    bool operator()(const PackedRecord::Ptr& a, const PackedRecord::Ptr& b) const { return a->key() == b->key(); }
    bool operator()(const RecordKey& a, const PackedRecord::Ptr& b) const { return a.text == b->key(); }
    bool operator()(const PackedRecord::Ptr& a, const RecordKey& b) const { return a->key() == b.text; }
  };
  using Records = std::unordered_set<PackedRecord::Ptr, Hash, Equal>;

  [[nodiscard]] PackedRecord* find(const RecordKey& key, Timestamp now) const;
  [[nodiscard]] PackedRecord& obtain(const RecordKey& key, Timestamp now);
  void put_bucket(PackedRecord*& record, const RecordKey& key, const PackedBucket& bucket);
  [[nodiscard]] Record unpacked(const PackedRecord& record) const;
  void make_room(Timestamp now);
  void sweep_place(std::size_t place, Timestamp now);
  void evict_one();
  [[nodiscard]] std::size_t next_place();

  // Constant after construction.
  const std::size_t most_;
  std::mutex mutex_{};

  // Guarded by mutex_.
  Records records_;
  FieldNames names_{};
  std::size_t place_ = 0;  // of the hash table, where sweeping goes on
  std::size_t expired_ = 0;
  std::size_t evicted_ = 0;
};

}  // namespace quota
