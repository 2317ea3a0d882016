// UncoveredWatch: notices that this host sends much mail which no quota covers. One window at a time; what falls before its end counts.
#pragma once

#include <mutex>
#include <optional>

#include "milter/config.hpp"
#include "quota/event.hpp"
#include "quota/record.hpp"
#include "quota/sender.hpp"

namespace milter {

class UncoveredWatch {
 public:
  /// One more such message. Returns what there is to tell, with each message from the one that reaches the rule to the window's end.
  /// Threads: any.
  [[nodiscard]] std::optional<quota::Event> seen(const quota::Sender& sender, const std::string& host, const UncoveredRule& rule, quota::Timestamp now);

 private:
  std::mutex mutex_;
  std::optional<quota::Refusals> count_;  // guarded by mutex_
};

}  // namespace milter
