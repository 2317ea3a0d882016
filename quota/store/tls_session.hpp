// TlsSession: TLS spoken on a connected, non-blocking socket. Nothing here waits: each step does what can be done now
// and says what it waits for. Bytes leave with MSG_NOSIGNAL. The socket is the caller's and outlives the session.
// Threads: one may write while another reads.
#pragma once

#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>

#include "quota/store/tls_context.hpp"

struct ssl_st;

namespace quota {

/// What became of an attempt to move bytes.
struct TransferStep {
  enum class Is {
    done,         // `count` bytes, at least one unless it was the hello
    wants_read,   // again, once the socket is readable
    wants_write,  // again, once it is writable
    closed,       // by the peer
    failed,
    not_trusted,  // we do not accept the peer, or it does not accept us: nothing will change until somebody acts
  };
  Is is = Is::done;
  std::size_t count = 0;
  std::string text{};  // why it is closed, failed or not trusted
};

class TlsSession {
 public:
  /// `name` is the host name or the address that the peer's certificate must be for.
  TlsSession(const TlsContext& context, int descriptor, const std::string& name);
  ~TlsSession();
  TlsSession(const TlsSession&) = delete;
  TlsSession& operator=(const TlsSession&) = delete;

  /// Again until it is done; nothing else before.
  [[nodiscard]] TransferStep shake_hands();

  /// Requires: after wants_read or wants_write the same bytes again.
  [[nodiscard]] TransferStep write(std::string_view bytes);
  [[nodiscard]] TransferStep read(std::span<char> buffer);

  /// True while bytes were taken off the socket that nobody has read yet.
  [[nodiscard]] bool holds_bytes() const;

  /// True when the peer has said nothing that a reader would see. What TLS says to itself (tickets, new keys) is dealt
  /// with.
  [[nodiscard]] bool is_silent();

  /// Bytes that the system has taken so far.
  [[nodiscard]] std::size_t sent() const;

 private:
  struct Inner;
  [[nodiscard]] TransferStep outcome(int returned, std::size_t count);

  mutable std::mutex mutex_;  // guards all of it: no step waits
  std::unique_ptr<Inner> inner_;
  std::unique_ptr<ssl_st, void (*)(ssl_st*)> ssl_;
};

}  // namespace quota
