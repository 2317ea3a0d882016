// RedisPool: connections to one Redis server, for callers on many threads, behind a circuit breaker.
//
// Each question has a connection of its own while it is asked. The one used last is given out first, so that few stay
// in use; at the bound callers wait in the order they came, until their deadline. A connection that the server closed
// while it was kept is replaced unnoticed, within the same deadline, because nothing had been sent on it.
//
// The breaker: once the server has failed (no connection, a deadline, a broken connection, an answer that says it cannot
// serve) nobody is lent a connection and nobody waits for one, until look() found it well. So a server that hangs costs
// one deadline and not one per question, and no question is ever the one that tries. A failure counts only against the
// term of service in which its question was lent its connection: what ends late says nothing about a server that was
// found well since. Knows nothing of scripts, keys or of which server is the right one.
// Threads: every function from any thread, at once; look() from one. The resolver must outlive the pool, and the pool
// every loan.
#pragma once

#include <boost/asio/io_context.hpp>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "quota/result.hpp"
#include "quota/store/redis_address.hpp"
#include "quota/store/redis_connection.hpp"
#include "quota/store/resolver.hpp"

namespace quota {

struct RedisPoolOptions {
  std::size_t most_connections = 64;
  std::string client_name = "sendquota";
  std::chrono::milliseconds patience{25};  ///< a deadline that comes sooner says nothing about the server
  /// The server has failed, or may have: look() is called for. Runs on the thread that noticed and must not wait.
  std::function<void()> alarm = [] {};
  std::shared_ptr<const TlsContext> tls{};  // none: plain
};

class RedisPool {
  using Connection = std::unique_ptr<RedisConnection>;
  using Moment = std::chrono::steady_clock::time_point;
  enum class Origin : std::uint8_t { kept, fresh };
  struct GiveBack {
    RedisPool* pool = nullptr;
    Origin origin = Origin::fresh;
    std::uint64_t term = 0;
    Moment since{};
    void operator()(RedisConnection* lent) const { pool->give_back(Connection(lent)); }
  };

 public:
  /// Destroying it gives the connection back, and closes it where a question on it has no answer yet.
  using Loan = std::unique_ptr<RedisConnection, GiveBack>;
  /// One that is `unproven` is asked nothing before look() found it well.
  enum class Standing : std::uint8_t { serving, unproven };
  /// Asks what only a server that can serve answers well.
  using Question = std::function<Result<void, StoreError>(RedisConnection&, Deadline)>;

  RedisPool(RedisServerName server, RedisLogin login, Resolver& resolver, Standing standing, RedisPoolOptions options = {});
  RedisPool(const RedisPool&) = delete;
  RedisPool& operator=(const RedisPool&) = delete;

  /// Errors: at once while the server has failed. One that could not be reached has failed with this.
  [[nodiscard]] Result<Loan, StoreError> borrow(Deadline deadline);

  /// True where nothing of the question had left, because the server had closed a connection that was kept: borrow again.
  [[nodiscard]] static bool may_borrow_again(const Loan& loan, const StoreError& error);

  /// A question on `loan` ended in a way that means that the server cannot serve.
  void fail(const Loan& loan, const StoreError& error);

  /// A question was answered as no server that can serve answers it; look() decides.
  void suspect();

  /// Opens a connection of its own and asks `question` on it. The server serves from then on, or has failed with the error.
  [[nodiscard]] Result<void, StoreError> look(const Question& question, Deadline deadline);

  /// Whether look() is called for.
  [[nodiscard]] bool is_in_doubt() const;

  /// Why nobody is lent a connection; empty while the server serves.
  [[nodiscard]] std::optional<StoreError> failure() const;

  /// Likewise, and looking at it has not cured it: not only one question went wrong, or one connection.
  [[nodiscard]] std::optional<StoreError> lasting_failure() const;

  /// A connection outside of the pool. Errors: as borrow().
  [[nodiscard]] RedisConnection::Opened open_apart(Deadline deadline);

  /// Connections in use and kept.
  struct Level {
    std::size_t open = 0;
    std::size_t idle = 0;
  };
  [[nodiscard]] Level level() const;

  [[nodiscard]] const RedisServerName& server() const { return server_; }

 private:
  struct Waiter {
    std::condition_variable served;
    bool is_done = false;
    std::optional<StoreError> failure{};
    Connection connection{};  // none, and no failure: the turn is to open one
  };

  [[nodiscard]] Result<Connection, StoreError> take_turn(Deadline deadline, std::uint64_t& term);
  [[nodiscard]] Result<Connection, StoreError> wait_for_turn(std::unique_lock<std::mutex>& lock, Deadline deadline);
  [[nodiscard]] Connection other_idle();
  void give_back(Connection connection);
  void free_turn();
  void serve(Connection first);
  void note(const StoreError& error, std::uint64_t term);
  [[nodiscard]] std::vector<Connection> break_off(const StoreError& error);
  [[nodiscard]] bool says_much(const StoreError& error, Moment since) const;
  [[nodiscard]] RedisConnection::Opened connect(Deadline deadline);
  [[nodiscard]] RedisTarget target();

  // Constant after construction.
  const RedisServerName server_;
  const RedisLogin login_;
  const RedisPoolOptions options_;
  Resolver& resolver_;
  boost::asio::io_context io_;  // its users may be on any thread

  mutable std::mutex mutex_;
  // Guarded by mutex_. A turn is the right to have one connection: idle, lent out or being opened.
  std::size_t turns_taken_ = 0;
  std::vector<Connection> idle_;  // the one used last is at the end
  std::deque<Waiter*> waiters_;   // only while nothing is idle and every turn is taken
  std::optional<StoreError> failure_;
  bool failure_lasts_ = true;  // a look did not cure it, or there was none yet
  bool is_suspected_ = false;
  std::uint64_t term_ = 0;
  Endpoint last_good_{};
};

/// `redis.example.com:6379`, `[::1]:6379` or a path: how a person names a server.
[[nodiscard]] std::string printable(const RedisServerName& server);

}  // namespace quota
