// Upkeep: what a daemon makes of the live tables each time it has read them, and what it does about what it found. Pure.
//
// Of all daemons that read the same, one does each step and logs its event: every step is a compare-and-set, a release by
// block id or a claim, and whoever loses does nothing. Steps that are not done (a lost store, no time) follow again from
// the next reading; only Release and Announce do not, their keeper must keep them.
//
//   found in a table                         what follows
//   a block or override made by hand         gets id= and since=; event `blocked`, `limit` or `mode`
//   a block edited by hand                   is followed; one whose id= went lost in it is the same block and gets it again
//   a block or override past its until       is taken away, by comparing its text; refusals and ladder stay; event `ended`
//   a block that is missing                  a release, if it was seen under the same history and epoch; else it is put back
//                                            (but neither where it has ended by TablesText::server_now: then others ended it)
//   an override that is missing              event `limit` or `mode`, once
//   a name that no sender or quota has       likewise: `@example.com`, `uid:mx1/www-data`, a quota that is not configured
//                                            (unless the entry has its since=: another daemon knew that quota)
//   what cannot be understood                is rewritten as `ERROR: … (what was written)`; such a block blocks until
//                                            released, another entry is ignored; event `error`
//   another spelling of a field              (a login without the default realm, too) is renamed. If the canonical field says something else, that one holds and the
//                                            other becomes an ERROR; but of two blocks the one that lasts longer holds
//   no epoch                                 is written
//   `* *` observe                            event `mode` each hour while it lasts
//
// A lost history is another run or replication id, or another or no epoch. Then known blocks that have not ended are put
// back, so a release made meanwhile must be repeated, and event `lost` says so. Overrides and accounts are taken as found:
// nobody is harmed for long by limits that fall back to the configuration.
// What an earlier process knew (recalled) counts as if it had been read by this one, with two differences: a release made
// in between is told only by whoever empties the record, for others may have told it long ago; and knowledge older than
// `recalled_for` puts nothing back into a table that somebody has kept meanwhile (one with an epoch).
// Known limits: a block made and released between two readings is not seen at all. One that was recalled without an id, and
// released before this daemon ran, leaves its record as it is.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "quota/store.hpp"
#include "quota/tables.hpp"

namespace quota {

/// The field of the table `blocked` that marks it as ours.
inline constexpr std::string_view epoch_field = "epoch";

struct KnownBlock {
  std::string text{};   ///< as it was read
  Block block{};
  std::string id{};     ///< the last one known: an editor may have dropped it from the text
  std::optional<Timestamp> since{};  ///< likewise
  bool seen = false;    ///< read under Known's history and epoch; false: put back, and not yet seen again
  bool marked = false;  ///< the record is known to hold the id
  bool is_obeyed = false;     ///< Known::tables hold just this block
  std::uint32_t reading = 0;  ///< Known::reading that last found it unchanged

  bool operator==(const KnownBlock&) const = default;
};

struct KnownOverride {
  std::string text{};
  Override entry{};
  std::uint32_t reading = 0;  ///< likewise
};

/// What the last reading found. Default: nothing was read yet.
struct Known {
  std::string history{};
  std::string epoch{};  ///< empty: there was none
  ByText<KnownBlock> blocked{};       ///< by identity text
  ByText<KnownOverride> overrides{};  ///< by OverrideKey::text()
  std::int64_t hours_announced = 0;                  ///< of `* *` observe
  Timestamp read_at{};                               ///< the store's clock
  bool is_recalled = false;                          ///< read by an earlier process; only blocks, history and epoch are known
  bool is_settled = false;                           ///< nothing was left to do
  Tables tables{};                                   ///< what was made of them
  std::vector<std::string> borrowed{};               ///< overrides in `tables` whose field stands there in another spelling only
  TableText accounts{};                              ///< as they were read
  TableText plain_overrides{};                       ///< likewise, if each of them stood there so before; else empty
  std::optional<Timestamp> first_override_ends{};    ///< of these
  std::optional<Timestamp> wake_at{};                ///< Plan::wake_at
  Spelling spelling{};                               ///< by which the fields were canonical
  std::uint32_t reading = 0;                         ///< a number for each plan that was made
};
inline constexpr Milliseconds recalled_for = std::chrono::hours{24};

struct Marking {
  Identity identity;
  BlockMark mark;
};

struct TableEntry {
  std::string field;
  std::string text;
};

/// Compare and set of one field. Whoever wins marks the record, removes the other spelling and logs the event.
struct Change {
  Table table;
  std::string field;
  std::optional<std::string> expected{};
  std::optional<std::string> desired{};
  std::optional<Marking> marking{};
  std::optional<TableEntry> other_spelling{};
  std::optional<Event> event{};
};

/// Empties the record if its block is `id`. Whoever did logs the event. No id: the block was released before it got one.
struct Release {
  /// once: a record that is gone already is told of as well, by one daemon. if_done: only whoever empties it tells.
  enum class Telling : std::uint8_t { once, if_done };
  Identity identity;
  std::string id;
  Event event;
  Telling telling = Telling::once;
  std::string words{};  ///< GoneClaims::words
};

/// Makes sure that the record of a block that this daemon did not make holds its id: its maker may have died in between.
struct Mark {
  std::string text;  ///< the block's, which must still stand in the table
  Marking marking;
};

/// Whoever gets the claim logs the event.
struct Announce {
  std::string claim;
  Milliseconds lasting;
  Event event;
  std::string words{};  ///< GoneClaims::words, where it is about what is gone
};

using Step = std::variant<Release, Change, Announce, Mark>;

struct Plan {
  Tables tables{};                     ///< to be obeyed before any step is done
  Known after{};
  std::vector<Step> steps{};           ///< in this order: releases, changes, announcements, marks
  std::optional<Timestamp> wake_at{};  ///< when something ends or is due by itself
  bool has_news = false;               ///< history, epoch or blocks are not as this process knew them before
};

/// What entries may name, by the configuration just now.
struct Names {
  Spelling spelling{};
  std::optional<std::vector<std::string>> quotas{};  ///< empty: any
};

/// What upkeep needs from outside.
struct Means {
  std::function<std::string()> new_id;                               ///< a random word
  std::function<Milliseconds(const std::string& quota)> forget;      ///< BlockRule::forget; zero for a quota without
  std::function<Names()> names = [] { return Names{}; };             ///< asked once for each reading
};

/// A block's text as it counts. Never fails: what cannot be understood is a block that says so.
[[nodiscard]] Block understood(const std::string& text);

/// Whether nothing follows from reading `now` after `before`, tables included. Quick, for large tables that are read again
/// and again: the answer may be no where plan() finds nothing to do.
[[nodiscard]] bool is_as_known(const Known& before, const TablesText& now);

/// What follows from reading `now` after `before`.
[[nodiscard]] Plan plan(Known before, const TablesText& now, const Means& means);

/// A block's id; that of an entry that could not be understood follows from its text. Empty for one not yet noticed.
[[nodiscard]] std::string id_of(const Block& block);

/// What is to stand in the record of `block`. The ladder is rebuilt from its step and end.
[[nodiscard]] BlockMark mark_of(const Block& block, Milliseconds forget);

/// Event `blocked`, with the facts.
[[nodiscard]] Event blocked_event(const Identity& identity, const Block& block);

/// Event `limit` (or `mode`, for `* *` observe and enforce): this entry holds from now on.
[[nodiscard]] Event override_event(const OverrideKey& key, const Override& entry);
[[nodiscard]] Event override_removed_event(const OverrideKey& key, const Override& entry);

/// The claims by which one of all who see that something is gone logs it, however long the others were cut off. Whoever
/// removes something by a command takes them first.
struct GoneClaims {
  std::string exact{};  ///< names the very thing; empty for an entry that nobody had completed
  std::string words{};  ///< names what was written by hand: all that is known of it to who read it before it was completed
  Milliseconds lasting = std::chrono::hours{24};
};
[[nodiscard]] GoneClaims release_claims(const std::string& block_id, std::string words);
[[nodiscard]] GoneClaims release_claims(const Identity& identity, const Block& block);
[[nodiscard]] GoneClaims removal_claims(const OverrideKey& key, const Override& entry);

}  // namespace quota
