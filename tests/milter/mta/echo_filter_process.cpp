#include "tests/milter/mta/echo_filter_process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <stdexcept>
#include <system_error>

namespace {

constexpr std::chrono::milliseconds patience{10'000};

[[noreturn]] void become_filter(std::vector<std::string> words, int output) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  dup2(output, STDOUT_FILENO);
  std::vector<char*> arguments;
  for (auto& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  execv(arguments.front(), arguments.data());
  _exit(127);
}

}  // namespace

EchoFilterProcess::EchoFilterProcess(unsigned long steps, const std::vector<std::string>& macro_lists) {
  std::vector<std::string> words = {MTA_ECHO_FILTER, directory_.file("socket"), std::to_string(steps)};
  words.insert(words.end(), macro_lists.begin(), macro_lists.end());
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) throw std::system_error(errno, std::generic_category(), "pipe");
  child_ = fork();
  if (child_ == 0) become_filter(words, ends[1]);
  close(ends[1]);
  output_ = ends[0];
  if (child_ < 0 || line() != "ready") throw std::runtime_error("the echo filter does not start");
}

EchoFilterProcess::~EchoFilterProcess() {
  // Nothing to save, and libmilter takes seconds to stop by itself.
  if (child_ > 0) {
    kill(child_, SIGKILL);
    waitpid(child_, nullptr, 0);
  }
  close(output_);
}

std::string EchoFilterProcess::line() {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  for (;;) {
    if (const auto end = unread_.find('\n'); end != std::string::npos) {
      auto text = unread_.substr(0, end);
      unread_.erase(0, end + 1);
      return text;
    }
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    pollfd watched{output_, POLLIN, 0};
    std::array<char, 4096> bytes;
    if (left.count() <= 0 || poll(&watched, 1, static_cast<int>(left.count())) <= 0)
      throw std::runtime_error("the echo filter says nothing more; unread: " + unread_);
    const auto got = read(output_, bytes.data(), bytes.size());
    if (got <= 0) throw std::runtime_error("the echo filter has ended");
    unread_.append(bytes.data(), static_cast<std::size_t>(got));
  }
}

std::vector<std::string> EchoFilterProcess::lines_until(const std::string& prefix) {
  std::vector<std::string> lines;
  do lines.push_back(line());
  while (!lines.back().starts_with(prefix));
  return lines;
}
