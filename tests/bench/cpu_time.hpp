// CPU time that processes have used, as /proc tells it: in hundredths of a second, ended threads included.
#pragma once

#include <sys/types.h>

#include <cstdint>

namespace bench {

/// User and system time in seconds; 0 for a process that is gone.
[[nodiscard]] double cpu_seconds(pid_t pid);

/// What all cores together have worked since the machine started, in seconds.
[[nodiscard]] double machine_busy_seconds();

}  // namespace bench
