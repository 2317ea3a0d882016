// Tables: the daemon's copy of what administrators keep in the store: who is blocked, live limits, accounts.
// An immutable snapshot; a change makes a new one, which shares with it what has not changed. The copy is why a blocked sender is refused without asking the store, and
// stays blocked while it is away.
#pragma once

#include <algorithm>
#include <map>
#include <memory>

#include "quota/account_map.hpp"
#include "quota/block.hpp"
#include "quota/override.hpp"
#include "quota/shared_map.hpp"

namespace quota {

class Tables {
 public:
  std::map<std::string, std::string> override_errors{};  ///< what cannot be understood, `ERROR: …`, by the field as written
  AccountMap accounts{};

  [[nodiscard]] const SharedMap<Block>& blocked() const { return blocked_; }          ///< by identity text
  [[nodiscard]] const SharedMap<Override>& overrides() const { return overrides_; }  ///< by OverrideKey::text()

  void block(const std::string& identity, Block block);
  void unblock(std::string_view identity);
  void set_override(const std::string& key, Override entry);
  void remove_override(std::string_view key);

  /// How many of them hold at `now`. Quick unless one has ended since the tables were made.
  [[nodiscard]] std::size_t count_blocks(Timestamp now) const { return count(blocked_, now); }
  [[nodiscard]] std::size_t count_overrides(Timestamp now) const { return count(overrides_, now); }
  /// No entry ends before that; empty: none ends at all.
  void note_next_end(std::optional<Timestamp> moment) { next_end_ = moment; }

  /// Whether a live limit counts bytes: sizes are needed, whatever the configuration asks for.
  [[nodiscard]] bool needs_bytes() const { return byte_limits_ > 0; }
  /// Whether a block names a script, a uid, or an account that may own a uid: likewise the PHP header.
  [[nodiscard]] bool needs_php_header() const { return header_blocks_ > 0; }

  /// The block that holds at `now`; null where there is none.
  [[nodiscard]] const Block* find_block(const Identity& identity, Timestamp now) const;

  /// The most specific live override at `now`: `ID QUOTA`, `ID *`, `* QUOTA`, `* *`; `inherit` ends the search. The mode
  /// switch is none of them.
  [[nodiscard]] const Allowance* find_override(const Identity& identity, const std::string& quota, Timestamp now) const;

  /// The live switch `* *` = observe | enforce; empty where none is set.
  [[nodiscard]] std::optional<Mode> mode(Timestamp now) const;

 private:
  template <class Entry>
  [[nodiscard]] std::size_t count(const SharedMap<Entry>& entries, Timestamp now) const {
    if (!next_end_ || now < *next_end_) return entries.size();
    std::size_t holding = 0;
    entries.each([&](const auto&, const Entry& entry) { holding += entry.holds_at(now) ? 1 : 0; });
    return holding;
  }
  void note_end(std::optional<Timestamp> moment) {
    if (moment) next_end_ = next_end_ ? std::min(*next_end_, *moment) : *moment;
  }

  SharedMap<Block> blocked_{};
  SharedMap<Override> overrides_{};
  std::size_t byte_limits_ = 0;
  std::size_t header_blocks_ = 0;
  std::optional<Timestamp> next_end_{};
};

using TablesPtr = std::shared_ptr<const Tables>;

}  // namespace quota
