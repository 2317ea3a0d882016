// Block: one entry of the table `blocked`, and what persistence leads to.
//
//   password stolen, ticket 4711                                        by hand, until released, rejects
//   until=2026-12-01T00:00:00Z password stolen                          by hand, until then
//   id=3f9c2a71b0de since=… until=… action=tempfail quota=mailbox step=1 300 refusals in 10m     written by a daemon
//
// Leading `word=value` parts are facts, the rest is the reason; `reason=` ends the facts, for a reason that looks like one.
// Only blocks that a daemon made name a quota.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "quota/record.hpp"
#include "quota/result.hpp"
#include "quota/verdict.hpp"

namespace quota {

struct Block {
  std::string id{};                    ///< empty until a daemon has noticed an entry made by hand
  std::optional<Timestamp> since{};
  std::optional<Timestamp> until{};    ///< empty: until released
  Action action = Action::reject;
  std::string quota{};                 ///< empty: by hand
  std::int64_t step = 0;
  std::string by{};                    ///< who made it, where it was made through a command
  std::string reason{};
  bool is_error = false;               ///< the entry could not be understood; it blocks until released

  [[nodiscard]] bool is_by_hand() const { return quota.empty(); }
  [[nodiscard]] bool holds_at(Timestamp now) const { return !until || now < *until; }
  bool operator==(const Block&) const = default;
};

/// Errors: what cannot be understood and what to write instead. A text that begins with `ERROR:` is a block with is_error.
[[nodiscard]] Result<Block, std::string> parse_block(std::string_view text);
[[nodiscard]] std::string format(const Block& block);

/// What stands in a table where an entry could not be understood: `ERROR: complaint (written)`.
[[nodiscard]] std::string error_text(std::string_view complaint, std::string_view written);
[[nodiscard]] bool is_error_text(std::string_view text);

/// `[quota.block]`.
struct BlockRule {
  std::int64_t refusals = 0;  ///< `after`: this many …
  Milliseconds window{};      ///< … in this window, which begins with the first of them
  std::vector<std::optional<Milliseconds>> steps{};  ///< `for`: 1st, 2nd, … and every later time; empty: until released
  Milliseconds forget{};
  Action action = Action::tempfail;  ///< while blocked; the step `released` rejects

  bool operator==(const BlockRule&) const = default;
};

/// The next step for a record whose ladder is `before`: its number, its end, and when the ladder is forgotten.
struct NextBlock {
  Block block;   ///< without an id
  Ladder ladder;
};
[[nodiscard]] NextBlock next_block(const BlockRule& rule, const BlockDue& due, const std::optional<Ladder>& before, Timestamp now);

}  // namespace quota
