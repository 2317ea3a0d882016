// ScriptMemory: which scripts send under a uid, so that a new one is seen. Stores keep one for each uid; quota/store/learn.lua is
// the twin of learn(), and the contract of every Ledger holds the two together.
//
// Until a uid's first script is `learning_lasts` old everything under it is learnt silently: a host that has just joined, or a
// site that has just moved, is no incident. Later a script that is not known is news, once; one that has not been seen
// for `forgotten_after` is news again. Beyond `most` the ones that were not seen for longest are forgotten.
// Known limit: a uid none of whose scripts has sent for `uid_forgotten_after` begins anew. Pure.
#pragma once

#include <map>
#include <string>

#include "quota/identity.hpp"
#include "quota/units.hpp"

namespace quota {

inline constexpr Milliseconds learning_lasts = std::chrono::days{7};
inline constexpr Milliseconds forgotten_after = std::chrono::days{90};
inline constexpr Milliseconds uid_forgotten_after = std::chrono::days{366};
inline constexpr std::size_t most_scripts_remembered = 1000;

/// A script that sends.
struct ScriptSight {
  Identity uid;
  std::string script;  ///< the value of its identity
  std::size_t most;    ///< of its uid; above most_scripts_remembered it is that
  std::string token;   ///< of this question: asked again, for want of an answer, it gets the same answer
};

struct ScriptNews {
  enum class What : std::uint8_t { known, learnt, is_new };
  What what = What::known;
  Timestamp uid_since{};      ///< its first script; only whole seconds are kept
  std::int64_t others = 0;    ///< of its uid that are known; 0 where the script is

  bool operator==(const ScriptNews&) const = default;
};

/// The scripts of one uid.
struct KnownScripts {
  struct Seen {
    Timestamp last{};
    std::string token{};  ///< of the question that it was new to
  };
  Timestamp first{};
  std::map<std::string, Seen> scripts{};
};

/// What is said of the script, which is known from now on.
[[nodiscard]] ScriptNews learn(KnownScripts& known, const ScriptSight& sight, Timestamp now);

}  // namespace quota
