// Callbacks: libmilter's C functions, translated to Session and back. Nothing is decided here. With server.cpp the only place
// that knows <libmilter/mfapi.h>.
//
// libmilter calls the functions of one connection on different threads, one at a time: all state is in the Session.
// It reads out of bounds on a macro packet with an odd number of strings, before any of this runs: whoever reaches the socket
// can end the process. The socket is a trust boundary.
#pragma once

#include <libmilter/mfapi.h>

#include "milter/session.hpp"

namespace milter {

/// Registers the filter with libmilter. `services` outlives every connection.
/// Returns whether libmilter took it.
[[nodiscard]] bool register_callbacks(Services& services);

}  // namespace milter
