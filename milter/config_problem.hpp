// Problem: one thing that keeps a configuration from being used, with its place and its cure.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "quota/result.hpp"

namespace milter {

struct Problem {
  std::string file{};
  std::size_t line = 0;    ///< from 1; 0: the file as a whole
  std::size_t column = 0;  ///< from 1; 0: unknown
  std::string what{};      ///< what is wrong
  std::string instead{};   ///< what to write instead; empty where `what` says it already

  bool operator==(const Problem&) const = default;
};

/// `FILE:LINE: what; what to write instead`, without a line end. Control characters are shown as `\xNN`: one problem is
/// one line.
[[nodiscard]] std::string format(const Problem& problem);

/// All of them, a line each.
[[nodiscard]] std::string format(std::span<const Problem> problems);

// How a problem is worded.

/// What was written, as TOML has it: between quotes.
[[nodiscard]] inline std::string in_quotes(std::string_view text) { return "\"" + std::string(text) + "\""; }

using quota::failed;

}  // namespace milter
