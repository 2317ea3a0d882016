// The admin endpoint on a unix socket or a TCP port: HTTP/1.1 with keep-alive, on a thread of its own, and a few more that wait for
// the store. Each listener has its own, so whatever happens on one does not hold up the other.
//
// Everything a client can make it hold is bounded: connections, header, body, and the time it may take over each.
// None can sit longer than `read_timeout` without having sent a whole request, nor longer than `write_timeout` without
// having taken the answer. Each user, or TCP address, is served a few connections at a time, so that one who keeps them busy makes
// only himself wait; `max_waiting` of such callers are kept, unread, and those beyond are hung up on. When all connections
// are taken, new callers wait in the kernel's queue. The service is called by several threads at once; what `is_prompt` is answered by
// the listener's own, so that it never stands behind what waits for the store.
// Knows HTTP and sockets; knows no route. Requests that are no HTTP get 400, too large ones 413 or 431.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "milter/admin/api.hpp"
#include "milter/admin/request.hpp"
#include "milter/admin/response.hpp"
#include "milter/admin/socket_file.hpp"
#include "milter/admin/tcp_socket.hpp"
#include "quota/result.hpp"

namespace milter::admin {

struct ListenerSettings {
  SocketSettings socket = {};
  std::size_t max_connections = 64;
  std::size_t max_per_user = 8;  // by the uid that SO_PEERCRED tells, or by address
  std::size_t max_waiting = 256;
  std::size_t max_header = max_header_bytes;
  std::size_t max_body = max_body_bytes;
  std::chrono::milliseconds read_timeout = request_timeout;    // for a whole request, idle time between two included
  std::chrono::milliseconds write_timeout = response_timeout;  // for a whole response
  std::size_t workers = 4;
  std::function<bool(const RawRequest&)> is_prompt = {};  // empty: nothing is
};

/// Answers one request. What it throws becomes a 500 and one line of trouble. Called by several threads at once.
using Service = std::function<Response(const RawRequest&)>;

/// Takes a sentence for the log: what went wrong that no caller can be told. Called by several threads at once.
using TroubleSink = std::function<void(std::string_view)>;

class Listener {
 public:
  /// The socket listens and is served when this returns.
  /// Errors:  those of SocketFile::listen.
  [[nodiscard]] static quota::Result<std::unique_ptr<Listener>, std::string> start(const ListenerSettings& settings,
                                                                                   Service service,
                                                                                   TroubleSink trouble);
  /// The same on a TCP port, `settings.socket` aside. Callers come as strangers.
  /// Errors:  those of listen_on().
  [[nodiscard]] static quota::Result<std::unique_ptr<Listener>, std::string> start_tcp(const TcpAddress& address, const ListenerSettings& settings, Service service,
                                                                                       TroubleSink trouble);
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;
  /// Stops.
  ~Listener();

  /// Ends every connection and removes the socket; a call of the service that runs is waited for, its answer may be
  /// lost. Threads: not the listener's own; a second call does nothing.
  void stop();

 private:
  struct Server;
  [[nodiscard]] static std::unique_ptr<Listener> run(std::unique_ptr<Server> server);
  explicit Listener(std::unique_ptr<Server> server);

  std::unique_ptr<Server> server_;
};

}  // namespace milter::admin
