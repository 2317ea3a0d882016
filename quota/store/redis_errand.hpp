// RedisErrand: carries questions to the servers that hold their keys and brings an answer to each, within one deadline.
//
// All that can be asked at once is sent before anything is read: questions to several servers take one round trip. What
// the servers say about where to ask is obeyed within the same deadline: MOVED and ASK lead to another server, TRYAGAIN
// to the same a little later, NOSCRIPT to the same with the script's text. All of these say that nothing was executed.
// What may have been executed is not asked again, and a server that fails is told so to its pool, once for all.
// Threads: one errand, one thread.
#pragma once

#include <boost/container/small_vector.hpp>
#include <span>

#include "quota/store/redis_script.hpp"
#include "quota/store/redis_servers.hpp"

namespace quota {

/// A command, or a script's run.
struct RedisQuestion {
  std::string_view key;                 ///< decides who is asked; the caller's
  CommandWords words;                   ///< of a script: the number of keys, keys and arguments
  const RedisScript* script = nullptr;
};

class RedisErrand {
 public:
  using Answer = Result<RedisReply, StoreError>;
  enum class Redirections : std::uint8_t { followed, misplaced };

  /// With `misplaced`, redirections mean that the address names a node of a Cluster as if it were a server of its own.
  /// `map_is_old` is called where a redirection showed it.
  RedisErrand(RedisServers& servers, Redirections redirections, const std::function<void()>& map_is_old)
      : servers_(servers), redirections_(redirections), map_is_old_(map_is_old) {}

  /// One answer per question, in their order. An error reply is an error.
  [[nodiscard]] std::vector<Answer> run(std::span<const RedisQuestion> questions, Deadline deadline, const ReplyLimits& limits);

 private:
  using Pool = RedisServers::Pool;
  struct Task;
  struct Batch;

  /// One of each is the usual case.
  template <class One>
  using Few = boost::container::small_vector<One, 1>;

  void find_servers(Few<Task>& tasks) const;
  [[nodiscard]] static Few<Batch> by_server(Few<Task>& tasks);
  void send(Batch& batch, Deadline deadline, const ReplyLimits& limits, bool is_alone) const;
  void receive(Batch& batch, Deadline deadline);
  void take_reply(Task& task, const RedisPool::Loan& loan, RedisReply reply);
  void take_error(Task& task, const RedisPool::Loan& loan, const ServerError& error);
  void redirect(Task& task, const ServerError& error);

  RedisServers& servers_;
  const Redirections redirections_;
  const std::function<void()>& map_is_old_;
  bool should_pause_ = false;
};

/// `MOVED 3999 127.0.0.1:6381`, `ASK …`. A server without a host is on that of `said_by`. Empty where it is none of these.
struct Redirection {
  std::uint16_t slot;
  RedisServerName server;
};
[[nodiscard]] std::optional<Redirection> parse_redirection(std::string_view text, const RedisServerName& said_by);

}  // namespace quota
