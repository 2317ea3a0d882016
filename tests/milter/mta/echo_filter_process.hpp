// The echo filter as a child process on a unix socket in a directory of its own; ended, by its process id, with the
// object.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "tests/milter/mta/temporary_directory.hpp"

class EchoFilterProcess {
 public:
  /// Returns when the filter listens. `macro_lists` such as `2=i {auth_authen}`; the number is the stage.
  explicit EchoFilterProcess(unsigned long steps = 0, const std::vector<std::string>& macro_lists = {});
  ~EchoFilterProcess();
  EchoFilterProcess(const EchoFilterProcess&) = delete;
  EchoFilterProcess& operator=(const EchoFilterProcess&) = delete;

  [[nodiscard]] std::string address() const { return "unix:" + directory_.file("socket"); }

  /// The next line that the filter printed; throws when there is none within a few seconds.
  std::string line();
  /// All lines up to and with the first that begins with `prefix`.
  std::vector<std::string> lines_until(const std::string& prefix);

 private:
  TemporaryDirectory directory_;
  pid_t child_ = -1;
  int output_ = -1;
  std::string unread_;
};
