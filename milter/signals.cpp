#include "milter/signals.hpp"

#include <pthread.h>
#include <signal.h>

namespace milter {
namespace {

SignalActions actions;  // set once, before the thread that reads it exists

sigset_t handled_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGHUP, SIGTERM, SIGINT}) sigaddset(&set, signal);
  return set;
}

}  // namespace

void block_signals() {
  const auto set = handled_signals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  // A peer that is gone and a file that may not grow are errors where they happen, not the end of the process.
  signal(SIGPIPE, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN);
}

void handle_signals(SignalActions wanted) { actions = std::move(wanted); }

}  // namespace milter

/// What libmilter's signal thread calls. Never returns SIGHUP.
extern "C" int sigwait(const sigset_t* set, int* signal) {
  for (;;) {
    const int got = sigwaitinfo(set, nullptr);
    if (got < 0) continue;  // interrupted
    if (got == SIGHUP) {
      if (milter::actions.reload) milter::actions.reload();
      continue;
    }
    if (milter::actions.before_stop) milter::actions.before_stop();
    *signal = got;
    return 0;
  }
}
