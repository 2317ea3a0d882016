// Resolver: the addresses of servers, looked up where no message waits for it.
//
// A thread of its own asks the system (which may take as long as it likes: a dead name server holds getaddrinfo for 20
// s and nothing can stop it) and keeps the last good answer of every name it was ever asked for. A look-up that fails
// changes nothing: old addresses are better than none. Numeric addresses and unix sockets are no names and need no
// look-up. Known limit: at the end of the process a look-up in flight is left behind, not waited for. Threads: every
// function from any thread, at once; none waits except wait_for_addresses().
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "quota/store/deadline_socket.hpp"
#include "quota/store/redis_address.hpp"

namespace quota {

class Resolver {
 public:
  /// The addresses of a name, none when it cannot be resolved. May wait.
  using Lookup = std::function<std::vector<Endpoint>(const TcpServer&)>;

  /// `refresh` is how long an answer is kept before it is asked for again.
  explicit Resolver(std::chrono::milliseconds refresh = std::chrono::seconds(30));
  Resolver(Lookup lookup, std::chrono::milliseconds refresh);
  ~Resolver();
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  /// The last known addresses of `server`, to be tried in this order. A name asked for the first time has none yet.
  [[nodiscard]] std::vector<Endpoint> addresses(const RedisServerName& server);

  /// The same for a program's start, where waiting is allowed: returns as soon as there are addresses, or empty at the
  /// deadline.
  [[nodiscard]] std::vector<Endpoint> wait_for_addresses(const RedisServerName& server, Deadline deadline);

  /// Asks for all names again, soon. A name is asked for once a second at most.
  void refresh_soon();

 private:
  struct Shared;
  std::shared_ptr<Shared> shared_;  // also held by the thread, which may outlive this object inside a look-up
};

}  // namespace quota
