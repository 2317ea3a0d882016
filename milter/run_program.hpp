// Runs another program: no shell, a text on its standard input, nothing of our environment and none of our descriptors, a time limit.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "quota/result.hpp"

namespace milter {

struct Program {
  using Taker = std::function<void(std::string_view piece)>;

  std::vector<std::string> words;           ///< its absolute path, and its arguments
  std::string input{};
  std::chrono::milliseconds at_most{};
  std::vector<std::string> environment{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8"};
  /// What it writes to its standard output and to its standard error, in pieces, as it comes; none: dropped.
  Taker output{};
  Taker errors{};
};

struct Ended {
  int code = 0;        ///< its exit code
  std::string said{};  ///< the first line that it wrote to its standard error, cut to 300 bytes
};

/// Waits until it has ended; when it is late, or `is_cancelled`, it is killed with what it started in its process group. The takers are
/// called on this thread. Errors: a sentence, where it did not begin, or did not end by itself. Requires: `words` is not empty. Threads: any.
[[nodiscard]] quota::Result<Ended, std::string> run(const Program& program, const std::atomic<bool>& is_cancelled);

/// As run(), and it has ended with 0. Errors: a sentence, with the first line that it wrote to its standard error.
[[nodiscard]] quota::Result<void, std::string> run_program(const std::vector<std::string>& words, const std::string& input, std::chrono::milliseconds at_most,
                                                             const std::atomic<bool>& is_cancelled);

}  // namespace milter
