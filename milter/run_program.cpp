#include "milter/run_program.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstring>

#include "milter/admin/file_descriptor.hpp"

namespace milter {
namespace {

using admin::FileDescriptor;
using Milliseconds = std::chrono::milliseconds;

constexpr std::size_t most_said = 300;

/// A file without a name, at its begin.
FileDescriptor file_of(const std::string& text) {
  FileDescriptor file(::memfd_create("sendquota", MFD_CLOEXEC));
  for (std::size_t done = 0; file.get() >= 0 && done < text.size();) {
    const auto written = ::write(file.get(), text.data() + done, text.size() - done);
    if (written <= 0) return FileDescriptor();
    done += static_cast<std::size_t>(written);
  }
  if (file.get() >= 0) ::lseek(file.get(), 0, SEEK_SET);
  return file;
}

std::string first_line_of(int file) {
  std::array<char, most_said> text{};
  const auto size = ::pread(file, text.data(), text.size(), 0);
  const std::string said(text.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
  return said.substr(0, said.find('\n'));
}

/// What posix_spawn is told; freed in the end.
class Orders {
 public:
  Orders(int input, int output) {
    ::posix_spawn_file_actions_init(&files_);
    ::posix_spawn_file_actions_adddup2(&files_, input, STDIN_FILENO);
    ::posix_spawn_file_actions_addopen(&files_, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    ::posix_spawn_file_actions_adddup2(&files_, output, STDERR_FILENO);
    ::posix_spawn_file_actions_addclosefrom_np(&files_, STDERR_FILENO + 1);
    ::posix_spawnattr_init(&attributes_);
    sigset_t none, all;
    ::sigemptyset(&none);
    ::sigfillset(&all);
    ::posix_spawnattr_setsigmask(&attributes_, &none);
    ::posix_spawnattr_setsigdefault(&attributes_, &all);
    ::posix_spawnattr_setpgroup(&attributes_, 0);
    ::posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  }
  Orders(const Orders&) = delete;
  Orders& operator=(const Orders&) = delete;
  ~Orders() {
    ::posix_spawn_file_actions_destroy(&files_);
    ::posix_spawnattr_destroy(&attributes_);
  }

  [[nodiscard]] int spawn(pid_t& child, const std::vector<std::string>& words) const {
    std::vector<char*> arguments;
    for (const auto& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    char path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    char language[] = "LANG=C.UTF-8";
    char* environment[] = {path, language, nullptr};
    return ::posix_spawn(&child, words.front().c_str(), &files_, &attributes_, arguments.data(), environment);
  }

 private:
  posix_spawn_file_actions_t files_{};
  posix_spawnattr_t attributes_{};
};

constexpr int look_every_ms = 50;  // at what cancels

/// Whether it ended in time; it is not waited for.
bool ends_in_time(pid_t child, Milliseconds at_most, const std::atomic<bool>& is_cancelled) {
  const FileDescriptor handle(static_cast<int>(::syscall(SYS_pidfd_open, child, 0)));
  pollfd event{handle.get(), POLLIN, 0};
  const auto until = std::chrono::steady_clock::now() + at_most;
  for (;;) {
    const auto left = std::chrono::duration_cast<Milliseconds>(until - std::chrono::steady_clock::now());
    if (left.count() <= 0 || is_cancelled) return false;
    const auto ended = ::poll(&event, 1, static_cast<int>(std::min<std::int64_t>(left.count(), look_every_ms)));
    if (ended > 0) return true;
    if (ended < 0 && errno != EINTR) return false;
  }
}

}  // namespace

quota::Result<void, std::string> run_program(const std::vector<std::string>& words, const std::string& input, Milliseconds at_most,
                                              const std::atomic<bool>& is_cancelled) {
  const auto failed = [&](const std::string& why) -> quota::Result<void, std::string> { return {boost::system::in_place_error, words.front() + ": " + why}; };
  const auto in = file_of(input);
  const auto out = file_of("");
  if (in.get() < 0 || out.get() < 0) return failed(std::strerror(errno));
  pid_t child = 0;
  if (const int error = Orders(in.get(), out.get()).spawn(child, words); error != 0) return failed(std::strerror(error));
  const bool is_late = !ends_in_time(child, at_most, is_cancelled);
  if (is_late) ::kill(-child, SIGKILL);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  const auto said = first_line_of(out.get());
  const auto told = said.empty() ? std::string() : "; it said: " + said;
  if (is_late && is_cancelled) return failed("was killed, because the daemon stops" + told);
  if (is_late) return failed(fmt::format("did not end within {} s, and was killed{}", std::chrono::ceil<std::chrono::seconds>(at_most).count(), told));
  if (WIFSIGNALED(status)) return failed(fmt::format("was ended by signal {}{}", WTERMSIG(status), told));
  if (WEXITSTATUS(status) != 0) return failed(fmt::format("ended with {}{}", WEXITSTATUS(status), told));
  return {};
}

}  // namespace milter
