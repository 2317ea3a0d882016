// Runs another program: no shell, a text on its standard input, nothing of our environment and none of our descriptors, a time limit.
#pragma once

#include <atomic>
#include <chrono>
#include <string>
#include <vector>

#include "quota/result.hpp"

namespace milter {

/// Waits until it has ended; when it is late, or `is_cancelled`, it is killed with what it started in its process group. Returns nothing if it ended
/// with 0. Errors: a sentence, with the first line that it wrote to its standard error. Requires: `words` has at least the
/// program's absolute path. Threads: any.
[[nodiscard]] quota::Result<void, std::string> run_program(const std::vector<std::string>& words, const std::string& input, std::chrono::milliseconds at_most,
                                                             const std::atomic<bool>& is_cancelled);

}  // namespace milter
