// Tables: the daemon's copy of what administrators keep in the store: who is blocked, live limits, accounts.
// An immutable snapshot; a change makes a new one. The copy is why a blocked sender is refused without asking the store, and
// stays blocked while it is away.
#pragma once

#include <map>
#include <memory>
#include <unordered_map>

#include "quota/account_map.hpp"
#include "quota/block.hpp"
#include "quota/override.hpp"

namespace quota {

struct Tables {
  std::unordered_map<std::string, Block> blocked{};       ///< by identity text
  std::unordered_map<std::string, Override> overrides{};  ///< by OverrideKey::text()
  std::map<std::string, std::string> override_errors{};   ///< what cannot be understood, `ERROR: …`, by the field as written
  AccountMap accounts{};

  /// What the entries need of a message beyond what the configuration asks for. Kept by note_needs(), which whoever fills the
  /// tables calls at the end: asked with every connection, of tables that may be long.
  struct Needs {
    bool bytes = false;       ///< a live limit counts bytes
    bool php_header = false;  ///< a block names a script, a uid, or an account that may own a uid
  };
  Needs needs{};
  void note_needs();

  /// The block that holds at `now`; null where there is none.
  [[nodiscard]] const Block* find_block(const Identity& identity, Timestamp now) const;

  /// The most specific live override at `now`: `ID QUOTA`, `ID *`, `* QUOTA`, `* *`; `inherit` ends the search. The mode
  /// switch is none of them.
  [[nodiscard]] const Allowance* find_override(const Identity& identity, const std::string& quota, Timestamp now) const;

  /// The live switch `* *` = observe | enforce; empty where none is set.
  [[nodiscard]] std::optional<Mode> mode(Timestamp now) const;
};

using TablesPtr = std::shared_ptr<const Tables>;

}  // namespace quota
