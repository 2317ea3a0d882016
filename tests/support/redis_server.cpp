#include "tests/support/redis_server.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <utility>

namespace test {
namespace {

using Clock = std::chrono::steady_clock;
constexpr auto longest_start = std::chrono::seconds(20);

// A port that was free a moment ago; start() tries another one should it have been taken since.
std::uint16_t free_port() {
  const int probe = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  const bool bound = ::bind(probe, generic, size) == 0 && ::getsockname(probe, generic, &size) == 0;
  ::close(probe);
  if (!bound) throw std::runtime_error("no free port on 127.0.0.1");
  return ntohs(address.sin_port);
}

int connected_to(const std::string& path) {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return fd;
  ::close(fd);
  return -1;
}

[[noreturn]] void become_redis(const std::string& directory, const char* mode, pid_t parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(127);  // it died before the line above
  const auto log = directory + "/stdout";
  const int out = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  ::dup2(out, 1);
  ::dup2(out, 2);
  const auto config = directory + "/redis.conf";
  ::execlp("redis-server", "redis-server", config.c_str(), mode, static_cast<char*>(nullptr));
  ::_exit(127);
}

std::string contents(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

RedisServer::RedisServer(std::vector<std::string> config, Listen listen) : config_(std::move(config)), listen_(listen) {
  auto pattern = (std::filesystem::temp_directory_path() / "redis-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no temporary directory");
  directory_ = pattern;
  start();
}

RedisServer::~RedisServer() {
  kill();
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

void RedisServer::kill() {
  if (pid_ < 0) return;
  ::kill(pid_, SIGKILL);
  reap();
}

void RedisServer::stop() {
  ::kill(pid_, SIGSTOP);
  int status = 0;
  ::waitpid(pid_, &status, WUNTRACED);
}

void RedisServer::cont() { ::kill(pid_, SIGCONT); }

void RedisServer::restart() {
  kill();
  start();
}

std::string RedisServer::ask(const std::string& line) const {
  const int fd = connected_to(socket_path());
  if (fd < 0) return {};
  const auto command = line + "\r\n";
  char reply[4096];
  ssize_t size = ::send(fd, command.data(), command.size(), MSG_NOSIGNAL);
  pollfd answered{fd, POLLIN, 0};
  if (size > 0 && ::poll(&answered, 1, 1000) == 1)
    size = ::recv(fd, reply, sizeof reply, 0);
  else
    size = 0;
  ::close(fd);
  return {reply, static_cast<std::size_t>(size > 0 ? size : 0)};
}

void RedisServer::start() {
  for (int attempt = 0; attempt < 5; ++attempt) {
    // After a restart clients expect it where it was.
    if (listen_ != Listen::unix_only && (port_ == 0 || attempt > 0)) port_ = free_port();
    if (has_line("cluster-enabled yes") && (bus_port_ == 0 || attempt > 0)) bus_port_ = free_port();
    if (try_to_start() == Start::ready) return;
  }
  throw std::runtime_error("redis-server found no free port");
}

RedisServer::Start RedisServer::try_to_start() {
  write_config();
  std::filesystem::remove(socket_path());
  std::filesystem::remove(directory_ + "/stdout");
  const pid_t parent = ::getpid();
  pid_ = ::fork();
  if (pid_ == 0) become_redis(directory_, has_line("sentinel monitor") ? "--sentinel" : nullptr, parent);
  if (pid_ < 0) throw std::runtime_error("fork failed");
  process_ = static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0));
  for (const auto end = Clock::now() + longest_start; Clock::now() < end;) {
    const auto reply = ask("PING");
    if (reply.starts_with("+PONG") || reply.starts_with("-NOAUTH") || reply.starts_with("-NOPERM")) return Start::ready;
    if (!ended_within_ms(5)) continue;
    reap();
    const auto said = contents(directory_ + "/stdout");
    if (said.find("Address already in use") != said.npos) return Start::address_taken;
    throw std::runtime_error("redis-server ended: " + said);
  }
  kill();
  throw std::runtime_error("redis-server does not answer");
}

bool RedisServer::has_line(std::string_view begin) const {
  return std::any_of(config_.begin(), config_.end(), [&](const auto& line) { return line.starts_with(begin); });
}

void RedisServer::write_config() const {
  std::ofstream file(directory_ + "/redis.conf");
  // By default the bus of a cluster has a port that most often does not exist: 10,000 higher.
  if (bus_port_ != 0) file << "cluster-port " << bus_port_ << '\n';
  if (listen_ == Listen::unix_and_tls)
    file << "port 0\ntls-port " << port_;
  else
    file << "port " << port_;
  file << "\nbind 127.0.0.1\nunixsocket " << socket_path() << "\nunixsocketperm 700\ndir "
       << directory_ << "\nsave \"\"\nappendonly no\ndaemonize no\n";
  for (const auto& line : config_) file << line << '\n';
}

// Waits for its end; this is also the pause between two looks at a server that is starting.
bool RedisServer::ended_within_ms(int milliseconds) const {
  pollfd end{process_, POLLIN, 0};
  return ::poll(&end, 1, milliseconds) == 1;
}

void RedisServer::reap() {
  int status = 0;
  ::waitpid(pid_, &status, 0);
  ::close(process_);
  pid_ = -1;
  process_ = -1;
}

}  // namespace test
