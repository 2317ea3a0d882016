// KnownBlocks: the file in which a daemon with Redis keeps what it knows of the table `blocked`, so that a restart while Redis is
// away, emptied or replaced forgets no block, and takes no fault for a release.
//
//   sendquota-known-blocks  1  HISTORY  EPOCH  READ_AT                          the first line; READ_AT in ms
//   user:alice@example.com  ID  SINCE  seen,marked  TEXT                        a line for each block
//
// A StateFile, written within a second of a change, and each hour for READ_AT.
// Damage: the file is kept aside as known-blocks.damaged-TIME, and every block whose line is whole holds; of which history
// they were is not trusted then, so that none is taken for released. What is beyond `most_bytes` finds no room.
#pragma once

#include "quota/store/state_file.hpp"
#include "quota/upkeep.hpp"

namespace quota {

struct Recalled {
  Known known{};
  std::vector<std::string> notes{};  ///< for the administrator: what was wrong and what was done about it
};

/// What the file at `path` tells; an absent one tells nothing. `now`: the host's clock. Damage is set aside.
[[nodiscard]] Recalled recall_blocks(const std::filesystem::path& path, Timestamp now);

/// The file's text for `known`.
inline constexpr std::size_t most_bytes_of_blocks = std::size_t{64} << 20;
[[nodiscard]] StateText text_of(const Known& known, std::size_t most_bytes = most_bytes_of_blocks);

}  // namespace quota
