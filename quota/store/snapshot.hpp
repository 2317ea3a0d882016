// Snapshot: lines of words in one file with a checksum over all of them, replaced as a whole. What holds a daemon's
// records while it is not running.
//
//   sendquota-snapshot  1  TIME  HISTORY  …     the first line; further words are its owner's
//   record  user:alice@example.com  1763790900000  mailbox messages/15m  33/250 0 250 1763790000000
//   …
//   end  LINES  CHECKSUM                        over every byte before
//
// Tabs between the words (tab_text.hpp). Only a snapshot that is whole is read at all.
#pragma once

#include <boost/crc.hpp>
#include <functional>

#include "quota/store/durable_file.hpp"
#include "quota/tab_text.hpp"
#include "quota/units.hpp"

namespace quota {

struct SnapshotHeader {
  Timestamp at{};
  std::string history{};
  std::vector<std::string> more{};
  bool operator==(const SnapshotHeader&) const = default;
};

class SnapshotWriter {
 public:
  [[nodiscard]] static Result<SnapshotWriter, std::string> create(const std::filesystem::path& path,
                                                                  const SnapshotHeader& header);
  /// Whole lines, each with its end.
  void add(std::string_view lines);
  [[nodiscard]] Result<void, std::string> commit();

 private:
  explicit SnapshotWriter(DurableFile file) : file_(std::move(file)) {}

  DurableFile file_;
  boost::crc_32_type checksum_{};
  std::size_t lines_ = 0;
};

enum class SnapshotState { absent, whole, damaged };

/// What was found before anything was read from it.
struct SnapshotFound {
  SnapshotState state = SnapshotState::absent;
  SnapshotHeader header{};
  std::string complaint{};  ///< why it is not whole
};

/// Reads the file through once, to see whether it is whole.
[[nodiscard]] SnapshotFound find_snapshot(const std::filesystem::path& path);

/// Hands every line between the first and the last to `each`, in order. Requires: find_snapshot() found it whole.
void read_snapshot(const std::filesystem::path& path, const std::function<void(std::vector<std::string>)>& each);

}  // namespace quota
