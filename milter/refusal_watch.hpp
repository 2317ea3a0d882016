// RefusalWatch: asks the store again about senders that were refused and go on sending, so that none of their messages has to.
//
// Whoever is still certain to be refused stays in the RefusalMemory; who is not is forgotten, and his next message is judged as any
// other. It asks without taking, about `most_at_once` senders in a round; what is beyond that is asked about at MAIL.
// Threads: one of its own.
#pragma once

#include <thread>

#include "milter/session.hpp"

namespace milter {

class RefusalWatch {
 public:
  /// Starts the thread, unless `every` is zero. `services` outlive the watch.
  explicit RefusalWatch(Services& services, std::chrono::milliseconds every = std::chrono::milliseconds{150});
  ~RefusalWatch() { stop(); }
  RefusalWatch(const RefusalWatch&) = delete;
  RefusalWatch& operator=(const RefusalWatch&) = delete;

  /// One round, or what `stop` leaves of it. Threads: one at a time.
  void look(const std::stop_token& stop = {});

  /// Ends the thread. May be called twice.
  void stop();

 private:
  static constexpr std::size_t most_at_once = 256;
  void run(const std::stop_token& stop, std::chrono::milliseconds every);

  Services& services_;
  std::jthread thread_{};
};

}  // namespace milter
