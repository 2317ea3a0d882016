// App: the composition root. Builds store, keeper, policy and servers, and takes them down in order.
#pragma once

#include "milter/options.hpp"

namespace milter {

/// Runs the daemon until it is told to stop, or checks a configuration. Returns the process's exit code.
[[nodiscard]] int run(const Options& options);

}  // namespace milter
