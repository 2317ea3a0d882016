// HeldTurns: with whose held mail each host goes on, so that everybody's turn comes however many there are. Bounded: of too many hosts all
// begin anew. Threads: any.
#pragma once

#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

namespace milter {

class HeldTurns {
 public:
  static constexpr std::size_t most_hosts = 256;

  /// All of `senders`, the first behind the one that came last on that host.
  [[nodiscard]] std::vector<std::string> in_turn(const std::string& host, const std::set<std::string>& senders) const;
  void came(const std::string& host, const std::string& sender);

 private:
  mutable std::mutex mutex_{};
  // Guarded by mutex_.
  std::map<std::string, std::string> last_{};  // by host
};

}  // namespace milter
