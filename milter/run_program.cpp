#include "milter/run_program.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstring>
#include <memory>

#include "milter/admin/file_descriptor.hpp"

namespace milter {
namespace {

using admin::FileDescriptor;
using Milliseconds = std::chrono::milliseconds;

constexpr std::size_t most_said = 300;
constexpr std::size_t piece_size = 65'536;  // a pipe holds no more, unless it was made larger
constexpr int most_pieces = 16;             // until the clock is looked at

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

/// One of the outputs of a program, read to its end whether or not somebody takes it.
class Stream {
 public:
  explicit Stream(Program::Taker taker) : taker_(std::move(taker)) {
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
  /// Takes what is there. Returns whether more may come.
  bool take() {
    for (int i = 0; i < most_pieces; ++i) {
      const auto size = ::read(read_.get(), piece_->data(), piece_->size());
      if (size <= 0) return size < 0 && (errno == EAGAIN || errno == EINTR);
      if (taker_) taker_(std::string_view(piece_->data(), static_cast<std::size_t>(size)));
    }
    return true;
  }

 private:
  Program::Taker taker_;
  FileDescriptor read_, write_;
  std::unique_ptr<std::array<char, piece_size>> piece_ = std::make_unique<std::array<char, piece_size>>();
};

/// What posix_spawn is told; freed in the end.
class Orders {
 public:
  Orders(int input, int output, int errors) {
    ::posix_spawn_file_actions_init(&files_);
    ::posix_spawn_file_actions_adddup2(&files_, input, STDIN_FILENO);
    ::posix_spawn_file_actions_adddup2(&files_, output, STDOUT_FILENO);
    ::posix_spawn_file_actions_adddup2(&files_, errors, STDERR_FILENO);
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

  [[nodiscard]] int spawn(pid_t& child, const Program& program) const {
    return ::posix_spawn(&child, program.words.front().c_str(), &files_, &attributes_, pointers(program.words).data(),
                         pointers(program.environment).data());
  }

 private:
  static std::vector<char*> pointers(const std::vector<std::string>& words) {
    std::vector<char*> all;
    for (const auto& word : words) all.push_back(const_cast<char*>(word.c_str()));
    all.push_back(nullptr);
    return all;
  }

  posix_spawn_file_actions_t files_{};
  posix_spawnattr_t attributes_{};
};

constexpr int look_every_ms = 50;  // at what cancels

/// Whether it ended in time; it is not waited for.
bool ends_in_time(pid_t child, Milliseconds at_most, const std::atomic<bool>& is_cancelled, std::array<Stream*, 2> streams) {
  const FileDescriptor handle(static_cast<int>(::syscall(SYS_pidfd_open, child, 0)));
  std::array<pollfd, 3> events{pollfd{streams[0]->read_end(), POLLIN, 0}, pollfd{streams[1]->read_end(), POLLIN, 0},
                               pollfd{handle.get(), POLLIN, 0}};
  const auto until = std::chrono::steady_clock::now() + at_most;
  for (;;) {
    const auto left = std::chrono::duration_cast<Milliseconds>(until - std::chrono::steady_clock::now());
    if (left.count() <= 0 || is_cancelled) return false;
    const auto happened = ::poll(events.data(), events.size(), static_cast<int>(std::min<std::int64_t>(left.count(), look_every_ms)));
    if (happened < 0 && errno != EINTR) return false;
    if (happened <= 0) continue;
    for (std::size_t i = 0; i < streams.size(); ++i) {
      if (events[i].revents != 0 && !streams[i]->take()) events[i].fd = -1;  // closed
    }
    if (events[2].revents != 0) return true;
  }
}

int wait_for(pid_t child) {
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

std::string with_what_it_said(std::string text, const std::string& said) { return said.empty() ? text : text + "; it said: " + said; }

}  // namespace

quota::Result<Ended, std::string> run(const Program& program, const std::atomic<bool>& is_cancelled) {
  const auto failed = [&](const std::string& why) { return quota::failed<Ended>(program.words.front() + ": " + why); };
  std::string said;
  Stream output(program.output);
  Stream errors([&](std::string_view piece) {
    said += piece.substr(0, most_said - std::min(most_said, said.size()));
    if (program.errors) program.errors(piece);
  });
  const auto in = file_of(program.input);
  if (!in.is_open() || !output.is_open() || !errors.is_open()) return failed(std::strerror(errno));
  pid_t child = 0;
  if (const int error = Orders(in.get(), output.write_end(), errors.write_end()).spawn(child, program); error != 0) return failed(std::strerror(error));
  output.close_write_end();
  errors.close_write_end();
  const bool is_late = !ends_in_time(child, program.at_most, is_cancelled, {&output, &errors});
  if (is_late) ::kill(-child, SIGKILL);
  const int status = wait_for(child);
  output.take();  // a child of its own may hold the pipes open, and is not waited for
  errors.take();
  said = said.substr(0, said.find('\n'));
  if (is_late && is_cancelled) return failed(with_what_it_said("was killed, because the daemon stops", said));
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(program.at_most).count();
  if (is_late) return failed(with_what_it_said(fmt::format("did not end within {} s, and was killed", seconds), said));
  if (WIFSIGNALED(status)) return failed(with_what_it_said(fmt::format("was ended by signal {}", WTERMSIG(status)), said));
  return Ended{WEXITSTATUS(status), said};
}

quota::Result<void, std::string> run_program(const std::vector<std::string>& words, const std::string& input, Milliseconds at_most,
                                              const std::atomic<bool>& is_cancelled) {
  const auto ended = run({.words = words, .input = input, .at_most = at_most}, is_cancelled);
  if (ended && ended->code == 0) return {};
  const auto why = ended ? words.front() + ": " + with_what_it_said(fmt::format("ended with {}", ended->code), ended->said) : ended.error();
  return {boost::system::in_place_error, why};
}

}  // namespace milter
