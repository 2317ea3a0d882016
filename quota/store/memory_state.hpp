// MemoryState: the folder in which a daemon without Redis keeps what must outlive it. One daemon at a time.
//
//   lock       held while the daemon runs; holds its process id
//   journal    tables, and the changes of records that must never be undone: blocks marked, records emptied
//   (journal.hpp) snapshot   all records, the last events and the known scripts, as old as the last save (snapshot.hpp)
//
// How the two fit after a crash: changes are numbered. Each shard remembers the number of its last one, and the
// snapshot says up to which number each shard has them; only later ones are done again on top of it. So a released
// sender does not get his empty buckets back from an older snapshot, and what he sent since the release is not
// forgotten by a newer one. A change stays in the journal until a snapshot that holds it is on disk; the mark of a
// block stays as long as the block. Known limit: what was sent since the last snapshot is forgotten, in the senders'
// favour. Threads: one at a time, except for write_snapshot(), which may run beside all others.
#pragma once

#include <functional>

#include "quota/store/journal.hpp"
#include "quota/store/memory_records.hpp"
#include "quota/store/memory_tables.hpp"
#include "quota/store/snapshot.hpp"

namespace quota {

class MemoryState {
 public:
  /// Takes the folder (made if it is absent) and reads the journal. Errors: a sentence for the administrator.
  [[nodiscard]] static Result<std::unique_ptr<MemoryState>, std::string> open(const std::filesystem::path& folder,
                                                                              Timestamp now);

  /// Which state this is; the same as long as the folder lives.
  [[nodiscard]] const std::string& history() const { return history_; }
  [[nodiscard]] std::uint64_t seed() const { return seeded_hash(history_, 0); }

  /// What was set aside, cut off or left out, in sentences.
  [[nodiscard]] const std::vector<std::string>& notes() const { return notes_; }

  /// Puts back what was kept. Errors: the journal can neither be rewritten nor appended to.
  [[nodiscard]] Result<void, std::string> load(MemoryRecords& records, MemoryTables& tables, EventRing& events,
                                               MemoryScripts& scripts, Timestamp now);

  /// What a change is, as the journal's words.
  using Words = std::vector<std::string>;
  [[nodiscard]] static Words put_words(Table table, const std::string& field, const std::optional<std::string>& value);
  [[nodiscard]] static Words mark_words(const std::string& identity, const BlockMark& mark, Timestamp now);
  [[nodiscard]] static Words empty_words(const std::string& identity);

  /// The change is on disk. Returns its number.
  [[nodiscard]] Result<std::uint64_t, StoreError> append(const Words& words, Timestamp now);
  [[nodiscard]] std::uint64_t last_number() const { return last_number_; }

  /// Whether rewrite_journal() is due.
  [[nodiscard]] bool wants_rewrite() const { return journal_.wants_rewrite(); }
  [[nodiscard]] Result<void, std::string> rewrite_journal(MemoryRecords& records, const MemoryTables& tables,
                                                          Timestamp now);

  /// Writes all records, shard by shard. `covers`: last_number() before the call.
  [[nodiscard]] Result<void, std::string> write_snapshot(MemoryRecords& records, const EventRing& events, const MemoryScripts& scripts,
                                                         std::uint64_t covers, Timestamp now) const;
  /// A snapshot on disk holds all changes up to `number`.
  void forget_changes(std::uint64_t number);

 private:
  /// Up to which change a snapshot's shards are known.
  struct Covered {
    std::uint64_t all = 0;
    std::size_t shards = 1;
    std::uint64_t seed = 0;
    std::map<std::size_t, std::uint64_t> later{};  // by shard
    [[nodiscard]] bool holds(const std::string& identity, std::uint64_t number) const;
  };

  MemoryState(const std::filesystem::path& folder, FileHandle lock);
  [[nodiscard]] Covered load_snapshot(MemoryRecords& records, EventRing& events, MemoryScripts& scripts, Timestamp now);
  [[nodiscard]] Covered covered_by(const SnapshotHeader& header) const;
  void replay(const JournalEntry& entry, const Covered& covered, MemoryRecords& records, MemoryTables& tables);
  void set_snapshot_aside(Timestamp now);

  const std::filesystem::path folder_;
  const FileHandle lock_;
  const std::filesystem::path snapshot_path_;
  Journal journal_;
  SnapshotFound snapshot_{};
  std::string history_{};
  std::vector<JournalEntry> read_{};     // by open(), for load()
  std::vector<JournalEntry> changes_{};  // of records, that no snapshot on disk holds yet
  std::uint64_t last_number_ = 0;
  std::vector<std::string> notes_{};
};

}  // namespace quota
