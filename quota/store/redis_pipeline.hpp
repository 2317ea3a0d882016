// RedisPipeline: one connection to a Redis server that many threads ask at once.
//
// Questions leave in the order in which they are asked, and so the replies come back in it. Who asks alone writes and reads by
// itself, and nobody is woken for it. As soon as several wait, a thread of the pipeline's own reads for all of them, as
// long as there is something to read for; and what is asked while enough is under way leaves with it, all in one piece, when the
// next replies have come. So under load a write and a read serve many, on both sides, and each caller is woken once.
//
// A question that is not waited for any longer and has left keeps its place: its replies are dropped when they come; one that has
// not left never will. A connection that breaks ends every question on it. Of what had not left it is known that nothing was
// executed.
// Threads: an Exchange, one; exchanges with each other, any, at once.
#pragma once

#include <boost/container/small_vector.hpp>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "quota/store/redis_connection.hpp"

namespace quota {

class RedisPipeline {
  struct Asker;

 public:
  explicit RedisPipeline(std::unique_ptr<RedisConnection> connection);
  ~RedisPipeline();
  RedisPipeline(const RedisPipeline&) = delete;
  RedisPipeline& operator=(const RedisPipeline&) = delete;

  /// False once it is broken.
  [[nodiscard]] bool is_open() const;

  /// One caller's questions and their replies.
  class Exchange {
   public:
    explicit Exchange(std::shared_ptr<RedisPipeline> pipeline) : pipeline_(std::move(pipeline)) {}
    Exchange(Exchange&&) noexcept = default;
    Exchange& operator=(Exchange&&) noexcept = default;

    /// All of them in one piece, each answered by one receive(), within `limits`. Requires: once for an exchange.
    /// Errors: Executed::no only where not one byte of them had left.
    [[nodiscard]] Result<void, StoreError> send_all(std::span<const Command> commands, Deadline deadline, const ReplyLimits& limits = {});
    /// The same of `replies` commands that append_command() wrote.
    [[nodiscard]] Result<void, StoreError> send_bytes(std::string_view bytes, std::size_t replies, Deadline deadline, const ReplyLimits& limits);
    /// What has come by the deadline is found after it too.
    [[nodiscard]] Result<RedisReply, StoreError> receive(Deadline deadline);

   private:
    std::shared_ptr<RedisPipeline> pipeline_;
    std::shared_ptr<Asker> asker_{};
  };

 private:
  /// Replies that are expected, for whoever asked.
  struct Place {
    std::shared_ptr<Asker> asker;
    std::size_t left;      // replies
    std::uint64_t begins;  // where its question is in all that was ever asked
    ReplyLimits limits;
  };
  struct Delivery {
    std::shared_ptr<Asker> asker;
    RedisReply reply;
    bool is_last;
  };
  using Deliveries = boost::container::small_vector<Delivery, 8>;
  using Lock = std::unique_lock<std::mutex>;

  [[nodiscard]] Result<void, StoreError> send(const std::shared_ptr<Asker>& asker, std::string_view bytes, std::size_t replies, Deadline deadline,
                                              const ReplyLimits& limits);
  void write_out(Lock& lock, Deadline deadline);
  [[nodiscard]] bool begins_to_read(const Asker& asker);
  void read_for(const Asker& asker, Deadline deadline);
  [[nodiscard]] Executed withdraw(const Asker& asker);
  void run();
  [[nodiscard]] bool read_for_all();
  // Require: mutex_ is held.
  [[nodiscard]] Deliveries dispatch();
  void leave_reading();
  void break_off(const StoreError& why);

  const std::unique_ptr<RedisConnection> connection_;  // written by one, read by one; parsed under mutex_

  mutable std::mutex mutex_;
  // Guarded by mutex_.
  std::string outbox_;  // asked, and not taken by a writer yet
  std::string spare_;   // for its memory
  std::deque<Place> places_;
  std::uint64_t asked_ = 0;  // bytes, ever
  std::uint64_t taken_ = 0;  // of them by a writer, and possibly sent
  bool is_being_written_ = false;
  bool is_being_read_ = false;   // by a caller or by the thread
  bool is_read_for_all_ = false; // by the thread
  bool is_ending_ = false;
  std::condition_variable called_;
  std::optional<StoreError> broken_;

  std::thread thread_;
};

}  // namespace quota
