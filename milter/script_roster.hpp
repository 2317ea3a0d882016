// ScriptRoster: bounds how many scripts one uid can have, so that a program which invents a header for every message cannot
// split its quota without end. Scripts beyond the bound are charged together, as `host/uid:+others`. It also says which scripts the store is to be
// asked about (script_watch.hpp): each that was not asked about within a day.
#pragma once

#include <mutex>
#include <string>
#include <unordered_map>

#include "quota/sender.hpp"
#include "quota/units.hpp"

namespace milter {

class ScriptRoster {
 public:
  enum class Standing : std::uint8_t {
    known,       ///< or there is none
    unfamiliar,  ///< the store is to be asked whether it is new
    beyond,      ///< its uid has `most` others that were seen within a day: replaced by the collective one
  };
  /// Notes the sender's script, and bounds it. Threads: any.
  [[nodiscard]] Standing bound(quota::Sender& sender, std::size_t most, quota::Timestamp now);

 private:
  static constexpr std::size_t most_uids = 2'000;
  struct Seen {
    quota::Timestamp last{};
    quota::Timestamp asked{};
  };
  using Scripts = std::unordered_map<std::string, Seen>;

  std::mutex mutex_;
  std::unordered_map<std::string, Scripts> by_uid_;  // guarded by mutex_
};

}  // namespace milter
