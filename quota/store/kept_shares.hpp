// KeptShares: the file in which a daemon with Redis keeps what its shares gave while the store had no answer, so that a restart in an
// outage gives nobody a second share, and what was sent is charged back all the same.
//
//   sendquota-shares  1  SAVED_AT                                                        the first line; SAVED_AT in ms
//   user:alice@example.com  mailbox  250 messages / 15m  NODES  START  NOW  judges       a line for each share that owes something
//
// START and NOW: USED REMAINDER of Shares::Owed's buckets. Last word: `judges`, or `paid` where the store judges again and only a
// rest is owed. A StateFile, written each second while something is owed, more seldom where writing takes long.
// Charged back at most once: the file is taken away before any of it is (StateFile::forget), so a machine that fails while it is
// charged back loses what was not charged yet. Moments are the host's clock; the time between two processes counts as passed.
// Damage: the file is kept aside as shares.damaged-TIME; shares whose line is whole are owed.
#pragma once

#include <span>

#include "quota/store/shares.hpp"
#include "quota/store/state_file.hpp"

namespace quota {

/// The file's text at `now` of the host's clock; empty where nothing is owed.
inline constexpr std::size_t most_bytes_of_shares = std::size_t{128} << 20;
[[nodiscard]] StateText text_of(std::span<const Shares::Owed> owed, Timestamp now, std::size_t most_bytes = most_bytes_of_shares);

struct RecalledShares {
  std::vector<Shares::Owed> owed{};  ///< `written` is the steady moment that was given, less the time since they were saved
  std::string note{};                ///< for the administrator: what was wrong, and what was done about it
};
/// What the file at `path` tells; an absent one tells nothing. `now`: the host's clock, `steady`: the shares' at the same moment.
[[nodiscard]] RecalledShares recall_shares(const std::filesystem::path& path, Timestamp now, Timestamp steady);

}  // namespace quota
