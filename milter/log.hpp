// Log: where the daemon's lines go. One logger for the process (spdlog's default); a reload changes where it leads to.
// Threads: any thread may log while one sets it up.
#pragma once

#include "milter/config.hpp"

namespace milter {

/// From now on lines go where `settings` say. `automatic` is the journal under systemd, else stderr.
void set_up_log(const LogSettings& settings);

}  // namespace milter
