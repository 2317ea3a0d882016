// RedisServer: a real redis-server of its own, in a directory of its own, for one test.
//
// It listens on a unix socket, and where that is asked for on a TCP port of 127.0.0.1 that the kernel chose, plain or with
// TLS (whose files are lines of its configuration). It keeps nothing on disk unless configured to. It ends with this
// object, and with the thread that made it should that die first (so make it in the test's own thread). What cannot be
// done is thrown: a test without its server has failed.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace test {

class RedisServer {
 public:
  enum class Listen { unix_only, unix_and_tcp, unix_and_tls };

  /// Returns when it answers a PING. `config` are further lines of redis.conf; with a `sentinel monitor` among them it is a
  /// Sentinel.
  explicit RedisServer(std::vector<std::string> config = {}, Listen listen = Listen::unix_only);
  ~RedisServer();
  RedisServer(const RedisServer&) = delete;
  RedisServer& operator=(const RedisServer&) = delete;

  [[nodiscard]] std::string socket_path() const { return directory_ + "/redis.sock"; }
  [[nodiscard]] std::uint16_t port() const { return port_; }  // 0 without TCP
  [[nodiscard]] std::uint16_t bus_port() const { return bus_port_; }  // 0 but of a cluster's node
  [[nodiscard]] std::string unix_url() const { return "unix:" + socket_path(); }
  [[nodiscard]] std::string tcp_url() const { return "redis://127.0.0.1:" + std::to_string(port_); }
  [[nodiscard]] std::string tls_url() const { return "rediss://127.0.0.1:" + std::to_string(port_); }
  [[nodiscard]] const std::string& directory() const { return directory_; }
  [[nodiscard]] pid_t pid() const { return pid_; }

  void kill();     // -9, and it is gone when this returns
  void stop();     // SIGSTOP: connections are still taken by the kernel, nothing is answered
  void cont();     // SIGCONT
  void restart();  // the same server again, after kill() or instead of it; returns when it answers

  /// The reply to one command without arguments that need quoting, as bytes, on a connection of its own; "" when there
  /// is none.
  std::string ask(const std::string& line) const;

 private:
  enum class Start { ready, address_taken };
  void start();
  Start try_to_start();
  void write_config() const;
  [[nodiscard]] bool has_line(std::string_view begin) const;
  [[nodiscard]] bool ended_within_ms(int milliseconds) const;
  void reap();

  // Constant after construction.
  std::vector<std::string> config_;
  Listen listen_;
  std::string directory_;

  std::uint16_t port_ = 0;
  std::uint16_t bus_port_ = 0;  // of a cluster's node
  pid_t pid_ = -1;
  int process_ = -1;  // pidfd
};

}  // namespace test
