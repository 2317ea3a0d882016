// Asks the daemon over its admin unix socket: one request, one connection, one absolute deadline for all of it.
#pragma once

#include <chrono>
#include <string>

#include "milter/cli/daemon.hpp"

namespace milter::cli {

/// Every error names the socket and says what the person at the keyboard can do.
/// Threads: one at a time.
class HttpClient final : public Daemon {
 public:
  HttpClient(std::string socket_path, std::chrono::milliseconds patience);

  [[nodiscard]] quota::Result<Answer, Failure> ask(const Call& call) override;

 private:
  // Constant after construction.
  std::string path_;
  std::chrono::milliseconds patience_;
};

}  // namespace milter::cli
