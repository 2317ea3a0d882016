#include "milter/run_program.hpp"

#include <fcntl.h>
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

/// What a program says: its begin is kept, the rest is read and dropped.
class Said {
 public:
  Said() {
    std::array<int, 2> ends{-1, -1};
    if (::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0) return;
    read_ = FileDescriptor(ends[0]);
    write_ = FileDescriptor(ends[1]);
    ::fcntl(ends[1], F_SETFL, 0);  // the program's end is as usual
  }

  [[nodiscard]] bool is_open() const { return read_.is_open(); }
  [[nodiscard]] int read_end() const { return read_.get(); }
  [[nodiscard]] int write_end() const { return write_.get(); }
  void close_write_end() { write_ = FileDescriptor(); }
  /// Returns whether more may come.
  bool take() {
    std::array<char, 4096> text{};
    const auto size = ::read(read_.get(), text.data(), text.size());
    if (size > 0) text_.append(text.data(), std::min(static_cast<std::size_t>(size), most_said - std::min(most_said, text_.size())));
    return size > 0 || (size < 0 && errno == EAGAIN);
  }
  [[nodiscard]] std::string first_line() const { return text_.substr(0, text_.find('\n')); }

 private:
  FileDescriptor read_, write_;
  std::string text_;
};

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
bool ends_in_time(pid_t child, Milliseconds at_most, const std::atomic<bool>& is_cancelled, Said& said) {
  const FileDescriptor handle(static_cast<int>(::syscall(SYS_pidfd_open, child, 0)));
  std::array<pollfd, 2> events{pollfd{handle.get(), POLLIN, 0}, pollfd{said.read_end(), POLLIN, 0}};
  const auto until = std::chrono::steady_clock::now() + at_most;
  for (;;) {
    const auto left = std::chrono::duration_cast<Milliseconds>(until - std::chrono::steady_clock::now());
    if (left.count() <= 0 || is_cancelled) return false;
    const auto happened = ::poll(events.data(), events.size(), static_cast<int>(std::min<std::int64_t>(left.count(), look_every_ms)));
    if (happened < 0 && errno != EINTR) return false;
    if (happened > 0 && events[1].revents != 0 && !said.take()) events[1].fd = -1;  // closed
    if (happened > 0 && events[0].revents != 0) {
      said.take();
      return true;
    }
  }
}

}  // namespace

quota::Result<void, std::string> run_program(const std::vector<std::string>& words, const std::string& input, Milliseconds at_most,
                                              const std::atomic<bool>& is_cancelled) {
  const auto failed = [&](const std::string& why) -> quota::Result<void, std::string> { return {boost::system::in_place_error, words.front() + ": " + why}; };
  const auto in = file_of(input);
  Said said_by_it;
  if (!in.is_open() || !said_by_it.is_open()) return failed(std::strerror(errno));
  pid_t child = 0;
  if (const int error = Orders(in.get(), said_by_it.write_end()).spawn(child, words); error != 0) return failed(std::strerror(error));
  said_by_it.close_write_end();
  const bool is_late = !ends_in_time(child, at_most, is_cancelled, said_by_it);
  if (is_late) ::kill(-child, SIGKILL);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  const auto said = said_by_it.first_line();
  const auto told = said.empty() ? std::string() : "; it said: " + said;
  if (is_late && is_cancelled) return failed("was killed, because the daemon stops" + told);
  if (is_late) return failed(fmt::format("did not end within {} s, and was killed{}", std::chrono::ceil<std::chrono::seconds>(at_most).count(), told));
  if (WIFSIGNALED(status)) return failed(fmt::format("was ended by signal {}{}", WTERMSIG(status), told));
  if (WEXITSTATUS(status) != 0) return failed(fmt::format("ended with {}{}", WEXITSTATUS(status), told));
  return {};
}

}  // namespace milter
