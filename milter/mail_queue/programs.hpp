// The programs of an MTA are run as an administrator would, but with nothing of the caller's environment.
#pragma once

#include <string>

#include "milter/run_program.hpp"

namespace milter::mail_queue {

/// As run() with the time limit and the environment of all programs of an MTA, and it has ended with 0.
/// Errors: one printable sentence, with the program's own complaint if it made one.
[[nodiscard]] quota::Result<void, std::string> run_to_end(Program program);

}  // namespace milter::mail_queue
