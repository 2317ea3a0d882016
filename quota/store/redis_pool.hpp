// RedisPool: connections to one Redis server, for callers on many threads.
//
// Each question has a connection of its own while it is asked. The one used last is given out first, so that few stay
// in use; at the bound callers wait in the order they came, until their deadline. A connection that the server closed
// while it was kept is replaced unnoticed, within the same deadline, because nothing had been sent on it. What may have
// been executed is never asked again. When no connection can be made, nobody waits for the next attempt: calls fail at
// once until a pause has passed (backoff.hpp), then one caller tries. The first success ends that for all. A reply that
// is an error becomes a StoreError, except in ask_all, where each reply stands for itself. Known limit: one server.
// Whoever follows a failover or a cluster owns one pool per server. Threads: every function from any thread, at once.
// The resolver must outlive the pool.
#pragma once

#include <boost/asio/io_context.hpp>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <span>
#include <string_view>
#include <vector>

#include "quota/result.hpp"
#include "quota/store/backoff.hpp"
#include "quota/store/redis_address.hpp"
#include "quota/store/redis_connection.hpp"
#include "quota/store/redis_script.hpp"
#include "quota/store/resolver.hpp"

namespace quota {

struct RedisPoolOptions {
  std::size_t most_connections = 64;
  std::chrono::milliseconds first_pause{50};
  std::chrono::milliseconds longest_pause{2000};
  std::string client_name = "sendquota";
};

class RedisPool {
 public:
  RedisPool(RedisAddress address, Resolver& resolver, RedisPoolOptions options = {});
  RedisPool(const RedisPool&) = delete;
  RedisPool& operator=(const RedisPool&) = delete;

  [[nodiscard]] Result<RedisReply, StoreError> ask(std::span<const std::string_view> arguments, Deadline deadline,
                                                   const ReplyLimits& limits = {});

  [[nodiscard]] Result<std::vector<RedisReply>, StoreError> ask_all(std::span<const Command> commands,
                                                                    Deadline deadline, const ReplyLimits& limits = {});

  /// Runs the script by its name, and by its text where the server does not know it (yet, or any more).
  [[nodiscard]] Result<RedisReply, StoreError> eval(const RedisScript& script, std::span<const std::string_view> keys,
                                                    std::span<const std::string_view> arguments, Deadline deadline,
                                                    const ReplyLimits& limits = {});

  /// A connection outside of the pool, for one that is to be subscribed. It fails at once during a pause, like a
  /// question.
  [[nodiscard]] RedisConnection::Opened open_apart(Deadline deadline);

  /// Connections in use and kept.
  struct Level {
    std::size_t open = 0;
    std::size_t idle = 0;
  };
  [[nodiscard]] Level level() const;

 private:
  using Connection = std::unique_ptr<RedisConnection>;
  enum class Origin { kept, fresh };
  struct GiveBack {
    RedisPool* pool = nullptr;
    Origin origin = Origin::fresh;
    void operator()(RedisConnection* lent) const { pool->give_back(Connection(lent)); }
  };
  using Lent = std::unique_ptr<RedisConnection, GiveBack>;  // destroying it gives the connection back
  enum class Attempt { none, usual, probe };
  struct Waiter {
    std::condition_variable served;
    bool has_turn = false;
    Connection connection{};  // none: the turn is to open one
  };

  template <class Answer, class Ask>
  [[nodiscard]] Result<Answer, StoreError> on_a_connection(Deadline deadline, Ask ask);
  [[nodiscard]] Result<RedisReply, StoreError> accepted(RedisConnection& connection,
                                                        Result<RedisReply, StoreError> reply);
  [[nodiscard]] Result<Lent, StoreError> borrow(Deadline deadline);
  [[nodiscard]] Result<Connection, StoreError> take_turn(Deadline deadline);
  [[nodiscard]] Result<Connection, StoreError> wait_for_turn(std::unique_lock<std::mutex>& lock, Deadline deadline);
  [[nodiscard]] Connection other_idle();
  void give_back(Connection connection);
  void free_turn();
  [[nodiscard]] RedisConnection::Opened connect(Deadline deadline);
  [[nodiscard]] RedisTarget target();
  [[nodiscard]] Attempt begin_attempt();
  void end_attempt(Attempt attempt, const RedisConnection::Opened& opened);
  [[nodiscard]] StoreError pausing() const;

  // Constant after construction.
  const RedisAddress address_;
  const RedisPoolOptions options_;
  Resolver& resolver_;
  boost::asio::io_context io_;  // its users may be on any thread

  mutable std::mutex mutex_;
  // Guarded by mutex_. A turn is the right to have one connection: idle, lent out or being opened.
  std::size_t turns_taken_ = 0;
  std::vector<Connection> idle_;  // the one used last is at the end
  std::deque<Waiter*> waiters_;   // only while nothing is idle and every turn is taken
  Backoff backoff_;
  bool probing_ = false;
  StoreError last_failure_{};
  Endpoint last_good_{};
};

}  // namespace quota
