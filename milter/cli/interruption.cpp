#include "milter/cli/interruption.hpp"

#include <algorithm>
#include <array>

namespace milter::cli {
namespace {

constexpr std::array interrupting{SIGINT, SIGTERM, SIGHUP};

bool is_ignored(int number) {
  struct sigaction action {};
  return ::sigaction(number, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
}

timespec time_of(std::chrono::milliseconds duration) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(duration);
  return {seconds.count(), std::chrono::nanoseconds(duration - seconds).count()};
}

}  // namespace

Interruption::Interruption() {
  ::sigemptyset(&signals_);
  for (const int number : interrupting)
    if (!is_ignored(number)) ::sigaddset(&signals_, number);
  ::pthread_sigmask(SIG_BLOCK, &signals_, &before_);
}

Interruption::~Interruption() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

bool Interruption::is_there() const {
  sigset_t pending;
  if (::sigpending(&pending) != 0) return false;
  return std::any_of(interrupting.begin(), interrupting.end(), [&](int number) { return ::sigismember(&signals_, number) == 1 && ::sigismember(&pending, number) == 1; });
}

void Interruption::pause(std::chrono::milliseconds at_most) const {
  const auto time = time_of(at_most);
  if (const int number = ::sigtimedwait(&signals_, nullptr, &time); number > 0) ::raise(number);  // it is there again
}

void Interruption::forget() {
  const timespec now{};
  while (::sigtimedwait(&signals_, nullptr, &now) > 0) {
  }
}

}  // namespace milter::cli
