// A stream socket to a milter on which nothing outlives its deadline: non-blocking, each wait a poll until the
// deadline. Knows nothing of packets.
//
// Known limit: a host *name* (not a number) is resolved by the system's resolver, which keeps its own time.
#pragma once

#include <chrono>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "milter/mta/address.hpp"
#include "quota/result.hpp"

namespace milter::mta {

using Deadline = std::chrono::steady_clock::time_point;

/// Why a conversation with a milter cannot go on.
struct ClientError {
  enum class Kind {
    bad_address,     // the milter's address is not one
    cannot_connect,  // nobody listens there
    denied,          // somebody may, and we may not connect
    timed_out,       // the step's deadline passed
    closed,          // the milter ended the connection
    broken,          // the socket failed
    protocol,        // the milter said what has no meaning
  };
  Kind kind = Kind::broken;
  std::string what;
};

class Socket {
 public:
  [[nodiscard]] static quota::Result<Socket, ClientError> open(const Address& address, Deadline deadline);

  Socket(Socket&& other) noexcept;
  Socket& operator=(Socket&& other) noexcept;
  ~Socket();

  /// Sends all of `bytes`.
  [[nodiscard]] quota::Result<void, ClientError> write(std::string_view bytes, Deadline deadline);
  /// Waits for bytes and reads some of them.
  /// Returns: how many; at least 1.
  [[nodiscard]] quota::Result<std::size_t, ClientError> read(std::span<char> bytes, Deadline deadline);
  void close() noexcept;

 private:
  explicit Socket(int descriptor) : descriptor_(descriptor) {}
  [[nodiscard]] quota::Result<void, ClientError> wait(short events, Deadline deadline) const;
  [[nodiscard]] quota::Result<void, ClientError> connect(const void* address, std::size_t size, Deadline deadline);
  [[nodiscard]] static quota::Result<Socket, ClientError> open_unix(const Address& address, Deadline deadline);
  [[nodiscard]] static quota::Result<Socket, ClientError> open_inet(const Address& address, Deadline deadline);

  int descriptor_ = -1;
};

}  // namespace milter::mta
