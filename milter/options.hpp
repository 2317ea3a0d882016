// Options: the daemon's command line.
#pragma once

#include <cstdint>
#include <string>
#include <variant>

namespace milter {

struct Options {
  enum class Task : std::uint8_t { serve, check_config };
  Task task = Task::serve;
  std::string config = "/etc/sendquota/sendquota.toml";
};

/// The options, or the exit code where the command line was answered already (--help, a mistake).
[[nodiscard]] std::variant<Options, int> parse_options(int argc, char** argv);

}  // namespace milter
