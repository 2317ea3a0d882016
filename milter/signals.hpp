// Signals: SIGHUP means reload, SIGTERM and SIGINT mean stop after the messages in flight.
//
// libmilter takes all three as "stop at once", on a thread of its own that waits in sigwait(). This program defines sigwait()
// itself, in front of the C library's: libmilter's thread thereby runs the functions given here, and is told of a signal to
// stop only when the messages in flight are done. No second thread races it for the signals.
#pragma once

#include <functional>

namespace milter {

struct SignalActions {
  std::function<void()> reload;         ///< on SIGHUP; runs on libmilter's signal thread
  std::function<void()> before_stop;    ///< on SIGTERM and SIGINT; may wait for messages in flight, within its own bound
};

/// Blocks the signals in this thread and all that it starts. To be called before any other thread exists.
void block_signals();

/// Takes effect with the next signal. To be called before smfi_main.
void handle_signals(SignalActions actions);

}  // namespace milter
