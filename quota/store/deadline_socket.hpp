// DeadlineSocket: a stream socket (TCP or unix) on which nothing waits past an absolute moment.
//
// Asio owns the socket and knows the families; waiting is one ppoll(2) with what is left until the deadline, after
// which one read or write takes what there is. That is simpler than running an io_context per call and costs three
// system calls a question (send, ppoll, recv). A per-read timeout would not do: a peer that sends a byte now and then
// resets it for ever. TLS, where it is wanted, lies between the waiting and the moving of bytes: both kinds of connection
// wait in the same loops, TLS at times for reading while it writes and the other way round.
// Sockets are close-on-exec from birth (hooks are spawned at any time), and writing to a closed one raises no signal.
// Threads: one at a time, but that one may write while another reads; Waker::wake() and shut_down() from any.
#pragma once

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "quota/result.hpp"
#include "quota/store/tls_session.hpp"

namespace quota {

using Deadline = std::chrono::steady_clock::time_point;
using Endpoint = boost::asio::generic::stream_protocol::endpoint;

/// Ends the waiting of another thread, also a wait that begins only later; stays set until clear().
/// Threads: wake() from any.
class Waker {
 public:
  Waker();
  ~Waker();
  Waker(const Waker&) = delete;
  Waker& operator=(const Waker&) = delete;

  void wake();
  void clear();
  [[nodiscard]] bool is_set() const;
  [[nodiscard]] int descriptor() const { return descriptor_; }

 private:
  int descriptor_;
};

struct SocketError {
  enum class Kind { timed_out, closed, failed, not_trusted };
  Kind kind = Kind::failed;
  std::size_t written = 0;  // bytes the system had taken before
  std::string text;
};

/// Bytes to be received at once.
inline constexpr std::size_t one_read = 16'384;

class DeadlineSocket {
 public:
  /// `io` is where Asio keeps its bookkeeping; it is never run. Many sockets, used by many threads, may share one.
  explicit DeadlineSocket(boost::asio::io_context& io) : socket_(io) {}

  /// Requires: not open. A failure leaves it not open.
  [[nodiscard]] Result<void, SocketError> connect(const Endpoint& endpoint, Deadline deadline);

  /// From now on TLS is spoken with the peer, whose certificate is for `name`. Requires: connected, and nothing moved yet.
  /// A failure leaves it not open.
  [[nodiscard]] Result<void, SocketError> start_tls(const TlsContext& context, const std::string& name, Deadline deadline);

  [[nodiscard]] Result<void, SocketError> write_all(std::string_view bytes, Deadline deadline);

  /// At least one byte, put at the front of `buffer`. Closed by the peer is an error.
  [[nodiscard]] Result<std::size_t, SocketError> read_some(std::span<char> buffer, Deadline deadline);

  /// What is there already, without waiting; 0 for nothing yet. Closed by the peer is an error.
  [[nodiscard]] Result<std::size_t, SocketError> read_now(std::span<char> buffer);

  /// `readable`: read_now() is worth a try, though what came may be nothing but TLS's own.
  enum class Wait { readable, deadline_passed, woken };
  [[nodiscard]] Wait wait_readable(Deadline deadline, const Waker& waker);

  /// True while the peer has neither sent anything nor closed: so should a connection be on which nothing was asked.
  [[nodiscard]] bool silent();

  [[nodiscard]] bool is_open() const { return socket_.is_open(); }
  void close();

  /// Nothing moves from now on, and who waits is told; the descriptor stays until close().
  void shut_down();

 private:
  [[nodiscard]] Result<void, SocketError> open(const Endpoint& endpoint);
  [[nodiscard]] Result<void, SocketError> finish_connecting(Deadline deadline);
  [[nodiscard]] TransferStep send_some(std::string_view bytes);
  [[nodiscard]] TransferStep receive_some(std::span<char> buffer);
  [[nodiscard]] Result<void, SocketError> wait_for_next(const TransferStep& step, Deadline deadline);

  boost::asio::generic::stream_protocol::socket socket_;
  std::unique_ptr<TlsSession> tls_;  // none: plain
};

}  // namespace quota
