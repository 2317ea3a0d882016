// RedisPool: the way to one Redis server for callers on many threads: a connection that all of them share (redis_pipeline.hpp),
// behind a circuit breaker.
//
// The first who comes opens the connection, and who comes meanwhile waits for it. One that the server closed while nobody asked is
// replaced unnoticed, within the same deadline, because nothing had been sent on it.
//
// The breaker: once the server has failed (no connection, a deadline, a broken connection, an answer that says it cannot
// serve) nobody is lent the connection and nobody waits for one, until look() found it well. So a server that hangs costs
// one deadline and not one per question, and no question is ever the one that tries. A failure counts only against the
// term of service in which its question was lent the connection: what ends late says nothing about a server that was
// found well since. Knows nothing of scripts, keys or of which server is the right one.
// Threads: every function from any thread, at once; look() from one. The resolver must outlive the pool, and the pool
// every loan.
#pragma once

#include <boost/asio/io_context.hpp>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>

#include "quota/result.hpp"
#include "quota/store/redis_address.hpp"
#include "quota/store/redis_connection.hpp"
#include "quota/store/redis_pipeline.hpp"
#include "quota/store/resolver.hpp"

namespace quota {

struct RedisPoolOptions {
  std::string client_name = "sendquota";
  std::chrono::milliseconds patience{25};  ///< a deadline that comes sooner says nothing about the server
  /// The server has failed, or may have: look() is called for. Runs on the thread that noticed and must not wait.
  std::function<void()> alarm = [] {};
  std::shared_ptr<const TlsContext> tls{};  // none: plain
};

class RedisPool {
  using Moment = std::chrono::steady_clock::time_point;

 public:
  /// The right to ask once. Destroying it drops what has not been answered yet.
  class Loan {
   public:
    Loan() = default;
    RedisPipeline::Exchange* operator->() { return &*exchange_; }

   private:
    friend class RedisPool;
    Loan(std::shared_ptr<RedisPipeline> pipeline, bool is_kept, std::uint64_t term, Moment since)
        : exchange_(std::in_place, std::move(pipeline)), is_kept_(is_kept), term_(term), since_(since) {}

    std::optional<RedisPipeline::Exchange> exchange_{};
    bool is_kept_ = false;  // the connection was there before
    std::uint64_t term_ = 0;
    Moment since_{};
  };

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

  [[nodiscard]] const RedisServerName& server() const { return server_; }

 private:
  [[nodiscard]] Result<Loan, StoreError> open(std::uint64_t term, Deadline deadline);
  void note(const StoreError& error, std::uint64_t term);
  void serve(std::unique_ptr<RedisConnection> first);
  [[nodiscard]] std::shared_ptr<RedisPipeline> break_off(const StoreError& error);
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
  // Guarded by mutex_.
  std::condition_variable opened_;             // or failed
  std::shared_ptr<RedisPipeline> pipeline_{};  // none before the first question, and while the server has failed
  bool is_being_opened_ = false;
  std::optional<StoreError> failure_;
  bool failure_lasts_ = true;  // a look did not cure it, or there was none yet
  bool is_suspected_ = false;
  std::uint64_t term_ = 0;
  Endpoint last_good_{};
};

/// `redis.example.com:6379`, `[::1]:6379` or a path: how a person names a server.
[[nodiscard]] std::string printable(const RedisServerName& server);

}  // namespace quota
