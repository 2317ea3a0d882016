// The command line of `sendquota`: global options, subcommands, exit codes.
#pragma once

#include "milter/cli/ask.hpp"

namespace milter::cli {

/// Does what the command line says. A command line that cannot be understood is ExitCode::usage.
[[nodiscard]] ExitCode run(int argc, const char* const* argv, Console& console);

}  // namespace milter::cli
