// quiet_thread: a thread that takes no signal. What a signal does is decided by the program's own threads.
#pragma once

#include <pthread.h>

#include <csignal>
#include <thread>
#include <utility>

namespace quota {

template <class Work>
[[nodiscard]] std::thread quiet_thread(Work work) {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  std::thread started(std::move(work));
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return started;
}

}  // namespace quota
