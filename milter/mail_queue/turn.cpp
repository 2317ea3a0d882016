#include "milter/mail_queue/turn.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>

#include <cstring>
#include <thread>

#include "milter/mail_queue/queue_id.hpp"

namespace milter::mail_queue {

quota::Result<Turn, std::string> take_turn(const std::string& folder, quota::Milliseconds at_most) {
  constexpr std::chrono::milliseconds look_every{50};
  const auto until = std::chrono::steady_clock::now() + at_most;
  Turn turn(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!turn.is_open()) return quota::failed<Turn>(fmt::format("{}: {}", printable(folder), std::strerror(errno)));
  while (::flock(turn.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) return quota::failed<Turn>(fmt::format("{} cannot be locked: {}", printable(folder), std::strerror(errno)));
    if (std::chrono::steady_clock::now() >= until) return quota::failed<Turn>("another sendquota or sendquota-queue is at work in this queue");
    std::this_thread::sleep_for(look_every);
  }
  return turn;
}

}  // namespace milter::mail_queue
