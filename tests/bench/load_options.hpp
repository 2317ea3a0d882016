// What bench_load is asked for on its command line. Pure but for parsing.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <sys/types.h>

#include "quota/result.hpp"

namespace bench {

struct LoadOptions {
  std::vector<std::string> targets;  ///< where the filters listen, libmilter's notation; connections are dealt to them in turn
  std::string protocol = "milter";   ///< or `policy`: Postfix' policy protocol
  std::size_t connections = 64;
  bool is_new_each = false;          ///< a connection for each message
  std::uint64_t senders = 1000;
  std::uint64_t first_sender = 0;
  double zipf = 0;                   ///< exponent; 0: uniform
  bool in_turn = false;              ///< senders one after the other instead of at random
  double rate = 0;                   ///< messages a second, open loop; 0: closed loop
  double warm_up = 1;                ///< seconds that are not measured
  double seconds = 5;                ///< that are
  std::uint64_t messages = 0;        ///< ends after as many of them, warm-up included; 0: no bound
  std::size_t headers = 8;
  std::size_t recipients = 1;
  std::vector<std::pair<std::string, pid_t>> watched;  ///< processes whose CPU time is told, by name
};

/// Errors: what to say on standard error, `--help` included.
[[nodiscard]] quota::Result<LoadOptions, std::string> parse_load_options(int argc, char** argv);

}  // namespace bench
