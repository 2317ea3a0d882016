// Interruption: SIGINT, SIGTERM and SIGHUP wait until what is under way is at an end that can be told.
#pragma once

#include <signal.h>

#include <chrono>

namespace milter::cli {

/// While it lives, the signals that would end the program are kept back; after it, they do. Those that are ignored still are.
/// Threads: of the one that made it, and those that it starts meanwhile; there is no other.
class Interruption {
 public:
  Interruption();
  Interruption(const Interruption&) = delete;
  Interruption& operator=(const Interruption&) = delete;
  /// Does not return where there was one.
  ~Interruption();

  [[nodiscard]] bool is_there() const;
  /// Waits; an interruption ends it.
  void pause(std::chrono::milliseconds at_most) const;
  /// It came too late to change anything.
  void forget();

 private:
  sigset_t signals_{};
  sigset_t before_{};
};

}  // namespace milter::cli
