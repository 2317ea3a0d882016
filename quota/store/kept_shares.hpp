// KeptShares: the file in which a daemon with Redis keeps what its shares gave while the store had no answer, so that a restart in an
// outage gives nobody a second share, and what was sent is charged back all the same.
//
//   sendquota-shares  1  SAVED_AT                                                        the first line; SAVED_AT in ms
//   user:alice@example.com  mailbox  250 messages / 15m  NODES  START  NOW  judges       a line for each share that owes something
//
// START and NOW: USED REMAINDER of Shares::Owed's buckets. Last word: `judges`, or `paid` where the store judges again and only a
// rest is owed. A StateFile, written each second while something is owed, up to ten where that takes long.
// Charged back at most once: the file is gone while any of it is (StateFile::Absence), so a machine that fails meanwhile loses what was
// not charged yet. Only where it can be neither taken away nor emptied, on a disk that was made read-only, is it charged back all
// the same, and once more after the next start. Moments are the host's clock; the time between two processes counts as passed.
// Damage: the file is kept aside as shares.damaged-TIME; shares whose line is whole are owed, if the first line is.
#pragma once

#include "quota/store/shares.hpp"
#include "quota/store/state_file.hpp"

namespace quota {

/// Calls back with each share that owes something.
using EachOwed = std::function<void(const std::function<void(const Shares::Owed&)>& take)>;
/// The file's text at `now` of the host's clock; empty where nothing is owed.
inline constexpr std::size_t most_bytes_of_shares = std::size_t{128} << 20;
[[nodiscard]] StateText text_of(const EachOwed& each, Timestamp now, std::size_t most_bytes = most_bytes_of_shares);

struct RecalledShares {
  std::vector<Shares::Owed> owed{};  ///< `written` is the steady moment that was given, less the time since they were saved
  std::string note{};                ///< for the administrator: what was wrong, and what was done about it
};
/// What the file at `path` tells; an absent one tells nothing. `now`: the host's clock, `steady`: the shares' at the same moment.
[[nodiscard]] RecalledShares recall_shares(const std::filesystem::path& path, Timestamp now, Timestamp steady);

}  // namespace quota
