// Server: the milter socket, from a path to a listening filter. With callbacks.cpp the only place that knows libmilter.
#pragma once

#include <string>

#include "milter/config.hpp"
#include "quota/result.hpp"

namespace milter {

/// Opens the milter socket: a stale socket of a dead daemon is replaced, a live one is an error, and so is any other file.
/// A unix socket is reachable by `socket_mode` and `socket_group` only, whatever the umask.
/// Errors: a sentence for the log.
[[nodiscard]] quota::Result<void, std::string> open_milter_socket(const MilterSettings& config);

/// Serves until a signal stops it. Returns whether libmilter ended well.
[[nodiscard]] bool serve();

/// Wakes a listener that is to stop: libmilter looks only every few seconds. Goes on until the process ends (or 10 s are over), so it needs
/// a thread of its own.
void wake_listener(const MilterSettings& config);

}  // namespace milter
