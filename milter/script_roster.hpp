// ScriptRoster: bounds how many scripts one uid can have, so that a program which invents a header for every message cannot
// split its quota without end. Scripts beyond the bound are charged together, as `host/uid:+others`.
#pragma once

#include <mutex>
#include <string>
#include <unordered_map>

#include "quota/sender.hpp"
#include "quota/units.hpp"

namespace milter {

class ScriptRoster {
 public:
  /// Replaces the sender's script by the collective one where its uid has `most` others that were seen within a day.
  /// Returns whether it did. Threads: any.
  bool bound(quota::Sender& sender, std::size_t most, quota::Timestamp now);

 private:
  static constexpr std::size_t most_uids = 2'000;
  using Scripts = std::unordered_map<std::string, quota::Timestamp>;

  std::mutex mutex_;
  std::unordered_map<std::string, Scripts> by_uid_;  // guarded by mutex_
};

}  // namespace milter
