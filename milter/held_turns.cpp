#include "milter/held_turns.hpp"

namespace milter {

std::vector<std::string> HeldTurns::in_turn(const std::string& host, const std::set<std::string>& senders) const {
  const std::lock_guard lock(mutex_);
  const auto last = last_.find(host);
  const auto first = last == last_.end() ? senders.begin() : senders.upper_bound(last->second);
  std::vector<std::string> turns(first, senders.end());
  turns.insert(turns.end(), senders.begin(), first);
  return turns;
}

void HeldTurns::came(const std::string& host, const std::string& sender) {
  const std::lock_guard lock(mutex_);
  if (last_.size() >= most_hosts && !last_.contains(host)) last_.clear();
  last_[host] = sender;
}

}  // namespace milter
