// RedisConnection: one logged-in connection to one Redis server; every call on it ends at an absolute deadline.
//
// Invariant: while it is open, no question is unanswered and no byte is left over, so the next reply belongs to the
// next question. Whatever puts that in doubt (a deadline, a broken write, a reply that is none, a byte nobody asked
// for) closes it for good. What the server answers is handed on as it is, error replies included. An error says
// Executed::no only where not one byte of the question had left, or the server itself said so. Knows nothing of pools,
// back-off, scripts, or of which server is the right one. Threads: one at a time.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "quota/result.hpp"
#include "quota/store/deadline_socket.hpp"
#include "quota/store/redis_address.hpp"
#include "quota/store/redis_reply.hpp"
#include "quota/store_error.hpp"

namespace quota {

/// A command and its arguments; the texts are the caller's.
using Command = std::vector<std::string_view>;

/// One server and how to introduce oneself to it.
struct RedisTarget {
  std::vector<Endpoint> endpoints;  // of the same server, tried in this order
  RedisLogin login{};
  std::string client_name = "sendquota";  // as CLIENT LIST shows it; no spaces
  std::shared_ptr<const TlsContext> tls{};  // none: plain
  std::string tls_name{};                   // the host that the server's certificate must be for
};

class RedisConnection {
 public:
  using Opened = Result<std::unique_ptr<RedisConnection>, StoreError>;

  /// A connection that has been logged in and answered, so that the server is known to be alive.
  /// Time: an address that does not answer gets its even share of the time, so that each is tried.
  /// Errors: unreachable or timed_out; refused (too many clients, …) or misconfigured (password, database).
  [[nodiscard]] static Opened open(boost::asio::io_context& io, const RedisTarget& target, Deadline deadline);

  [[nodiscard]] Result<RedisReply, StoreError> ask(std::span<const std::string_view> arguments, Deadline deadline,
                                                   const ReplyLimits& limits = {});

  /// All questions in one write, their replies in order. The limits hold for each reply.
  [[nodiscard]] Result<std::vector<RedisReply>, StoreError> ask_all(std::span<const Command> commands,
                                                                    Deadline deadline, const ReplyLimits& limits = {});

  /// The two halves of ask_all(), so that several servers can be asked at once: each question of send_all() is answered
  /// by one receive(). What has come by the deadline is read after it too.
  [[nodiscard]] Result<void, StoreError> send_all(std::span<const Command> commands, Deadline deadline);
  [[nodiscard]] Result<RedisReply, StoreError> receive(Deadline deadline, const ReplyLimits& limits = {});

  /// The next message that the server pushes, after this connection was subscribed by ask(). Empty at the deadline or
  /// when woken; the connection is as good then as before. Once messages may come, only this and subscribing commands
  /// make sense.
  [[nodiscard]] Result<std::optional<RedisReply>, StoreError> next_message(Deadline deadline, const Waker& waker);

  [[nodiscard]] bool is_open() const { return socket_.is_open(); }

  /// Open, and every question of send_all() was answered.
  [[nodiscard]] bool is_at_rest() const { return is_open() && unanswered_ == 0; }

  /// For a connection that was kept: false when the server has closed it, or has said what nobody asked.
  [[nodiscard]] bool still_good() { return is_open() && socket_.silent(); }

  /// The address that answered.
  [[nodiscard]] const Endpoint& endpoint() const { return endpoint_; }

  void close() { socket_.close(); }

  // For a pipeline (redis_pipeline.hpp), which keeps the order of questions and replies itself: one thread may write while
  // another reads. Nothing here closes the connection.
  struct WriteError {
    StoreError why;
    std::size_t written;  ///< bytes that the system has taken
  };
  [[nodiscard]] Result<void, WriteError> write(std::string_view bytes, Deadline deadline);
  /// Waits for bytes; after the deadline it takes what is there. Errors: timed_out where there is nothing.
  [[nodiscard]] Result<std::size_t, StoreError> read(std::span<char> buffer, Deadline deadline);
  void feed(std::string_view bytes) { reader_.feed(bytes); }
  /// The next reply of what was fed; empty when more bytes are needed.
  [[nodiscard]] Result<std::optional<RedisReply>, StoreError> next_reply(const ReplyLimits& limits);
  [[nodiscard]] StoreError nonsense(const std::string& why) const;
  /// Ends the waiting of both threads: their next step fails.
  void shut_down() { socket_.shut_down(); }
  /// The server's address for a person.
  [[nodiscard]] std::string name() const;

 private:
  explicit RedisConnection(boost::asio::io_context& io) : socket_(io) {}

  [[nodiscard]] Result<void, StoreError> connect(const RedisTarget& target, Deadline deadline);
  [[nodiscard]] Result<void, StoreError> introduce(const RedisTarget& target, Deadline deadline);
  [[nodiscard]] StoreError unintroduced(StoreError broken, const RedisTarget& target) const;
  [[nodiscard]] Result<void, StoreError> send(Deadline deadline);
  [[nodiscard]] Result<RedisReply, StoreError> read_reply(Deadline deadline, const ReplyLimits& limits);
  [[nodiscard]] Result<void, StoreError> expect_nothing_more();
  [[nodiscard]] std::optional<StoreError> last_words(Executed executed);
  StoreError fail(const SocketError& why, Executed executed);
  StoreError fail_as_nonsense(const std::string& why);

  DeadlineSocket socket_;
  ReplyReader reader_;
  Endpoint endpoint_;
  std::string question_;  // what is sent next; kept for its memory
  std::size_t unanswered_ = 0;  // of send_all()
};

}  // namespace quota
