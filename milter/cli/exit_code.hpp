// How `sendquota` ends, for scripts. Part of its contract; sendquota(1) quotes it.
#pragma once

namespace milter::cli {

enum class ExitCode {
  ok = 0,              // done
  no = 1,              // understood, and the answer is no: not found, refused
  usage = 64,          // EX_USAGE: the command line, an identity, limit or duration cannot be understood
  unavailable = 69,    // EX_UNAVAILABLE: the daemon or its store cannot be reached, or gave no answer in time
  software = 70,       // EX_SOFTWARE: a bug, here or in the daemon
  no_permission = 77,  // EX_NOPERM: not root and not in the socket's group
  config = 78,         // EX_CONFIG: the configuration has problems
};

}  // namespace milter::cli
