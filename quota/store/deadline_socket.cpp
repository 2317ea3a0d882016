#include "quota/store/deadline_socket.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace quota {
namespace {

using boost::system::error_code;

error_code last_error() { return {errno, boost::system::system_category()}; }

SocketError timed_out() { return {SocketError::Kind::timed_out, 0, "the deadline passed"}; }

bool is_end(const error_code& why) {
  namespace errors = boost::asio::error;
  return why == errors::eof || why == errors::broken_pipe || why == errors::connection_reset;
}

std::string text_of(const error_code& why) {
  return why == boost::asio::error::eof ? "the server closed the connection" : why.message();
}

SocketError failure(const error_code& why) {
  return {is_end(why) ? SocketError::Kind::closed : SocketError::Kind::failed, 0, text_of(why)};
}

SocketError failure(const TransferStep& step) {
  if (step.is == TransferStep::Is::closed) return {SocketError::Kind::closed, 0, step.text};
  if (step.is == TransferStep::Is::not_trusted) return {SocketError::Kind::not_trusted, 0, step.text};
  return {SocketError::Kind::failed, 0, step.text};
}

// What a system call on a plain socket returned, as a step.
TransferStep step_of(ssize_t count, TransferStep::Is would_block) {
  if (count >= 0) return {TransferStep::Is::done, static_cast<std::size_t>(count)};
  if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) return {would_block};
  const auto wrong = last_error();
  return {is_end(wrong) ? TransferStep::Is::closed : TransferStep::Is::failed, 0, text_of(wrong)};
}

// Returns: what poll(2) returns; 0 at the deadline.
int poll_until(std::span<pollfd> watched, Deadline deadline) {
  for (;;) {
    const auto left =
        std::chrono::duration_cast<std::chrono::nanoseconds>(deadline - std::chrono::steady_clock::now()).count();
    const auto wait = left > 0 ? left : 0;
    const timespec time{static_cast<time_t>(wait / 1'000'000'000), static_cast<long>(wait % 1'000'000'000)};
    const int ready = ::ppoll(watched.data(), watched.size(), &time, nullptr);
    if (ready >= 0 || errno != EINTR) return ready;
  }
}

// Empty: `descriptor` is ready. A peer that always has a byte ready does not stretch the deadline: it is looked at
// first.
Result<void, SocketError> wait_for(int descriptor, short events, Deadline deadline) {
  if (std::chrono::steady_clock::now() >= deadline) return timed_out();
  pollfd watched{descriptor, events, 0};
  const int ready = poll_until({&watched, 1}, deadline);
  if (ready < 0) return failure(last_error());
  if (ready == 0) return timed_out();
  return {};
}

// Small questions leave at once, and a peer that vanished behind a firewall is noticed while the connection is idle.
void tune_tcp(int descriptor) {
  const auto set = [descriptor](int level, int option, int value) {
    ::setsockopt(descriptor, level, option, &value, sizeof value);
  };
  set(IPPROTO_TCP, TCP_NODELAY, 1);
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  set(IPPROTO_TCP, TCP_KEEPIDLE, 30);
  set(IPPROTO_TCP, TCP_KEEPINTVL, 10);
  set(IPPROTO_TCP, TCP_KEEPCNT, 3);
}

}  // namespace

Waker::Waker() : descriptor_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  if (descriptor_ < 0) throw std::system_error(errno, std::generic_category(), "eventfd");
}

Waker::~Waker() { ::close(descriptor_); }

void Waker::wake() { ::eventfd_write(descriptor_, 1); }

void Waker::clear() {
  eventfd_t count = 0;
  ::eventfd_read(descriptor_, &count);
}

bool Waker::is_set() const {
  pollfd watched{descriptor_, POLLIN, 0};
  return ::poll(&watched, 1, 0) == 1;
}

Result<void, SocketError> DeadlineSocket::connect(const Endpoint& endpoint, Deadline deadline) {
  auto opened = open(endpoint);
  if (!opened) return opened;
  auto connected = [&]() -> Result<void, SocketError> {
    if (::connect(socket_.native_handle(), endpoint.data(), static_cast<socklen_t>(endpoint.size())) == 0) return {};
    if (errno == EINPROGRESS) return finish_connecting(deadline);
    // A unix socket answers a full queue at once, and no poll tells when there is room.
    if (errno == EAGAIN) return SocketError{SocketError::Kind::failed, 0, "its queue of new connections is full"};
    return failure(last_error());
  }();
  if (!connected) close();
  return connected;
}

Result<void, SocketError> DeadlineSocket::open(const Endpoint& endpoint) {
  const int family = endpoint.protocol().family();
  const int descriptor = ::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return failure(last_error());
  error_code wrong;
  socket_.assign(endpoint.protocol(), descriptor, wrong);
  if (wrong) {
    ::close(descriptor);
    return failure(wrong);
  }
  socket_.non_blocking(true, wrong);
  if (family != AF_UNIX) tune_tcp(descriptor);
  return {};
}

Result<void, SocketError> DeadlineSocket::finish_connecting(Deadline deadline) {
  const int descriptor = socket_.native_handle();
  if (auto ready = wait_for(descriptor, POLLOUT, deadline); !ready) return ready;
  int outcome = 0;
  socklen_t size = sizeof outcome;
  if (::getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &outcome, &size) != 0) return failure(last_error());
  if (outcome != 0) return failure({outcome, boost::system::system_category()});
  return {};
}

Result<void, SocketError> DeadlineSocket::start_tls(const TlsContext& context, const std::string& name,
                                                    Deadline deadline) {
  tls_ = std::make_unique<TlsSession>(context, socket_.native_handle(), name);
  for (;;) {
    const auto step = tls_->shake_hands();
    if (step.is == TransferStep::Is::done) return {};
    auto next = wait_for_next(step, deadline);
    if (next) continue;
    auto error = next.error();
    if (error.kind == SocketError::Kind::timed_out)
      error.text = "the server did not answer the TLS hello until the deadline; does it speak TLS on this port?";
    if (error.kind == SocketError::Kind::closed) error.text = "while TLS began: " + error.text;
    close();
    return error;
  }
}

// The system's own calls, here and below: Asio promises nothing where one thread writes and another reads.
TransferStep DeadlineSocket::send_some(std::string_view bytes) {
  if (tls_) return tls_->write(bytes);
  const auto count = ::send(socket_.native_handle(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
  return step_of(count, TransferStep::Is::wants_write);
}

TransferStep DeadlineSocket::receive_some(std::span<char> buffer) {
  if (tls_) return tls_->read(buffer);
  const auto count = ::recv(socket_.native_handle(), buffer.data(), buffer.size(), 0);
  if (count == 0 && !buffer.empty()) return {TransferStep::Is::closed, 0, text_of(boost::asio::error::eof)};
  return step_of(count, TransferStep::Is::wants_read);
}

// Empty: the step can be tried again. Requires: it is not done.
Result<void, SocketError> DeadlineSocket::wait_for_next(const TransferStep& step, Deadline deadline) {
  if (step.is == TransferStep::Is::wants_read) return wait_for(socket_.native_handle(), POLLIN, deadline);
  if (step.is == TransferStep::Is::wants_write) return wait_for(socket_.native_handle(), POLLOUT, deadline);
  return failure(step);
}

Result<void, SocketError> DeadlineSocket::write_all(std::string_view bytes, Deadline deadline) {
  const auto sent_before = tls_ ? tls_->sent() : 0;
  std::size_t written = 0;
  while (written < bytes.size()) {
    const auto step = send_some(bytes.substr(written));
    written += step.count;
    if (step.is == TransferStep::Is::done) continue;
    if (auto next = wait_for_next(step, deadline); !next) {
      auto error = next.error();
      error.written = tls_ ? tls_->sent() - sent_before : written;
      return error;
    }
  }
  return {};
}

Result<std::size_t, SocketError> DeadlineSocket::read_some(std::span<char> buffer, Deadline deadline) {
  // Waiting comes first: an answer is never there when its question has just left, unless TLS took it off the socket
  // together with the one before.
  auto step = tls_ && tls_->holds_bytes() ? receive_some(buffer) : TransferStep{TransferStep::Is::wants_read};
  while (step.is != TransferStep::Is::done) {
    if (auto next = wait_for_next(step, deadline); !next) return next.error();
    step = receive_some(buffer);
  }
  return step.count;
}

Result<std::size_t, SocketError> DeadlineSocket::read_now(std::span<char> buffer) {
  const auto step = receive_some(buffer);
  if (step.is == TransferStep::Is::done) return step.count;
  if (step.is == TransferStep::Is::wants_read || step.is == TransferStep::Is::wants_write) return std::size_t{0};
  return failure(step);
}

DeadlineSocket::Wait DeadlineSocket::wait_readable(Deadline deadline, const Waker& waker) {
  if (tls_ && tls_->holds_bytes()) return Wait::readable;
  pollfd watched[] = {{waker.descriptor(), POLLIN, 0}, {socket_.native_handle(), POLLIN, 0}};
  if (poll_until(watched, deadline) == 0) return Wait::deadline_passed;
  return watched[0].revents != 0 ? Wait::woken : Wait::readable;
}

bool DeadlineSocket::silent() {
  if (tls_) return tls_->is_silent();
  char byte = 0;
  const auto seen = ::recv(socket_.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return seen < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR);
}

void DeadlineSocket::shut_down() { ::shutdown(socket_.native_handle(), SHUT_RDWR); }

void DeadlineSocket::close() {
  error_code ignored;
  tls_.reset();
  socket_.close(ignored);
}

}  // namespace quota
