// Journal: the numbered changes that must survive a crash, one line each, on disk before they take effect.
//
//   CHECKSUM  sendquota-journal  1  HISTORY                                              the first line
//   CHECKSUM  17  2026-11-22T05:00:00Z  put  blocked  user:alice@example.com  password stolen, ticket 4711
//
// Tabs between the words, which are escaped (tab_text.hpp). What the words behind the time mean is its owner's matter.
// A last line that a crash left unfinished is cut off. Damage elsewhere: the file is kept aside as
// journal.damaged-TIME, and everything that can be read counts. Another format version is refused, so that no newer
// journal is lost by an older daemon. A journal only grows until its owner rewrites it, which replaces it as a whole or
// not at all. Threads: one at a time.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "quota/result.hpp"
#include "quota/store/durable_file.hpp"
#include "quota/store_error.hpp"
#include "quota/units.hpp"

namespace quota {

struct JournalEntry {
  std::uint64_t number = 0;
  Timestamp at{};
  std::vector<std::string> words{};
  bool operator==(const JournalEntry&) const = default;
};

/// What a journal file held when it was read.
struct JournalContent {
  std::vector<JournalEntry> entries{};
  std::string history{};             ///< empty for a new journal, or where the first line is damaged
  std::vector<std::string> notes{};  ///< for the administrator: what was wrong and what was done about it
};

class Journal {
 public:
  explicit Journal(std::filesystem::path path) : path_(std::move(path)) {}

  /// Reads the file; an absent one is empty. Damage is set aside, not mended: rewrite() does that.
  /// Errors: it cannot be read, or is of another version.
  [[nodiscard]] Result<JournalContent, std::string> read(Timestamp now);

  /// Replaces the file by `entries`. Errors: the old one is untouched.
  [[nodiscard]] Result<void, std::string> rewrite(const std::string& history, const std::vector<JournalEntry>& entries);

  /// Opens the file as it is for append(), for want of a rewrite; an unfinished last line goes.
  [[nodiscard]] Result<void, std::string> open_as_it_is();

  /// The entry is on disk. Errors: it is not, and will not come back after a restart; unless the error says `possibly`.
  [[nodiscard]] Result<void, StoreError> append(const JournalEntry& entry);

  /// Whether it has grown enough to be worth a rewrite, or an append left something behind that only a rewrite mends.
  [[nodiscard]] bool wants_rewrite() const { return is_spoilt_ || size_ > size_at_rewrite_ * 2 + grows_by_at_least; }

 private:
  static constexpr std::uintmax_t grows_by_at_least = 1 << 20;

  [[nodiscard]] Result<void, std::string> open();
  [[nodiscard]] StoreError undone(std::string complaint);

  const std::filesystem::path path_;
  FileHandle file_{};
  std::uintmax_t whole_ = 0;  // bytes up to the end of the last whole line, when it was read
  std::uintmax_t size_ = 0;
  std::uintmax_t size_at_rewrite_ = 0;
  bool is_spoilt_ = false;
};

}  // namespace quota
