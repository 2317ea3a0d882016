// KnownBlocks: the file in which a daemon with Redis keeps what it knows of the table `blocked`, so that a restart while Redis is
// away, emptied or replaced forgets no block, and takes no fault for a release.
//
//   CHECKSUM  sendquota-known-blocks  1  HISTORY  EPOCH  READ_AT                          the first line; READ_AT in ms
//   CHECKSUM  user:alice@example.com  ID  SINCE  seen,marked  TEXT                        a line for each block
//   CHECKSUM  end  BLOCKS
//
// Tabs between the words (tab_text.hpp). Replaced as a whole or not at all, within a second of a change, by a thread of its
// own; ten times as long as a write took lies between two, as far as that second allows. Mode 0600: reasons are in it.
// Damage: the file is kept aside as known-blocks.damaged-TIME, and every block whose line is whole holds; of which history
// they were is not trusted then, so that none is taken for released. What is beyond `most_bytes` finds no room.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

#include "quota/store/durable_file.hpp"
#include "quota/upkeep.hpp"

namespace quota {

struct Recalled {
  Known known{};
  std::vector<std::string> notes{};  ///< for the administrator: what was wrong and what was done about it
};

/// What the file at `path` tells; an absent one tells nothing. `now`: the host's clock. Damage is set aside.
[[nodiscard]] Recalled recall_blocks(const std::filesystem::path& path, Timestamp now);

/// The lines of the file for `known`, without their checksums.
struct KnownText {
  std::string lines{};
  std::size_t left_out = 0;  ///< blocks without room
};
inline constexpr std::size_t most_bytes_of_blocks = std::size_t{64} << 20;
[[nodiscard]] KnownText text_of(const Known& known, std::size_t most_bytes = most_bytes_of_blocks);

struct KnownBlocksOptions {
  std::filesystem::path path{};
  std::function<KnownText()> text{};                        ///< as it is just now; called on the thread
  std::function<void(const std::string& problem)> report{}; ///< once when keeping begins to fail; empty: it works again
  Milliseconds refresh_every = std::chrono::hours{1};       ///< without a change, for READ_AT
  Milliseconds retry_after = std::chrono::seconds{1};       ///< a failure
};

class KnownBlocks {
 public:
  /// Starts the thread. Nothing is written before changed().
  explicit KnownBlocks(KnownBlocksOptions options);
  KnownBlocks(const KnownBlocks&) = delete;
  KnownBlocks& operator=(const KnownBlocks&) = delete;
  ~KnownBlocks();

  /// The file is behind. Threads: any; never waits for I/O.
  void changed();

  /// Writes a last time, if anything was ever known, and ends the thread. May be called twice.
  void stop();

 private:
  using Steady = std::chrono::steady_clock;

  void run();
  /// Returns whether the file is as good as it can be.
  bool write_and_report();
  void note(std::string problem);
  [[nodiscard]] Result<void, std::string> write(const KnownText& text);

  // Constant after construction.
  const KnownBlocksOptions options_;

  // Of the thread alone.
  FileHandle lock_;
  std::string problem_;

  std::mutex mutex_;
  // Guarded by mutex_.
  std::condition_variable woken_;
  bool is_behind_ = false;
  bool knows_anything_ = false;
  bool stopping_ = false;

  std::thread thread_;
};

}  // namespace quota
