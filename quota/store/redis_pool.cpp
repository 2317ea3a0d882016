#include "quota/store/redis_pool.hpp"

#include <algorithm>
#include <boost/container/small_vector.hpp>
#include <string>
#include <utility>

namespace quota {
namespace {

using Clock = std::chrono::steady_clock;

// Words of a server that another one has replaced, or that cannot write as long as it is alone.
bool is_wrong_server(ServerErrorCode code) {
  return code == ServerErrorCode::readonly || code == ServerErrorCode::masterdown ||
         code == ServerErrorCode::noreplicas;
}

bool nothing_had_left(const StoreError& error) {
  return error.kind == StoreErrorKind::closed && error.executed == Executed::no;
}

}  // namespace

RedisPool::RedisPool(RedisAddress address, Resolver& resolver, RedisPoolOptions options)
    : address_(std::move(address)),
      options_(std::move(options)),
      resolver_(resolver),
      backoff_(options_.first_pause, options_.longest_pause, std::random_device{}()) {}

Result<RedisReply, StoreError> RedisPool::ask(std::span<const std::string_view> arguments, Deadline deadline,
                                              const ReplyLimits& limits) {
  return on_a_connection<RedisReply>(deadline, [&](RedisConnection& connection) {
    return accepted(connection, connection.ask(arguments, deadline, limits));
  });
}

Result<std::vector<RedisReply>, StoreError> RedisPool::ask_all(std::span<const Command> commands, Deadline deadline,
                                                               const ReplyLimits& limits) {
  return on_a_connection<std::vector<RedisReply>>(
      deadline, [&](RedisConnection& connection) { return connection.ask_all(commands, deadline, limits); });
}

Result<RedisReply, StoreError> RedisPool::eval(const RedisScript& script, std::span<const std::string_view> keys,
                                               std::span<const std::string_view> arguments, Deadline deadline,
                                               const ReplyLimits& limits) {
  const auto key_count = std::to_string(keys.size());
  boost::container::small_vector<std::string_view, 32> command{"EVALSHA", script.sha(), key_count};
  command.insert(command.end(), keys.begin(), keys.end());
  command.insert(command.end(), arguments.begin(), arguments.end());
  return on_a_connection<RedisReply>(deadline, [&](RedisConnection& connection) {
    command[0] = "EVALSHA";
    command[1] = script.sha();
    auto reply = connection.ask(command, deadline, limits);
    const auto error = reply ? reply->error() : std::nullopt;
    if (!error || error->code != ServerErrorCode::noscript) return accepted(connection, std::move(reply));
    command[0] = "EVAL";
    command[1] = script.source();
    return accepted(connection, connection.ask(command, deadline, limits));
  });
}

RedisConnection::Opened RedisPool::open_apart(Deadline deadline) { return connect(deadline); }

RedisPool::Level RedisPool::level() const {
  const std::lock_guard lock(mutex_);
  return {.open = turns_taken_, .idle = idle_.size()};
}

template <class Answer, class Ask>
Result<Answer, StoreError> RedisPool::on_a_connection(Deadline deadline, Ask ask) {
  for (;;) {
    auto lent = borrow(deadline);
    if (!lent) return lent.error();
    Result<Answer, StoreError> answer = ask(**lent);
    // Between the look at a kept connection and its use the server may have closed it; another one is tried.
    const bool again = !answer && lent->get_deleter().origin == Origin::kept && nothing_had_left(answer.error());
    if (!again) return answer;
  }
}

Result<RedisReply, StoreError> RedisPool::accepted(RedisConnection& connection, Result<RedisReply, StoreError> reply) {
  const auto error = reply ? reply->error() : std::nullopt;
  if (!error) return reply;
  if (is_wrong_server(error->code)) {
    connection.close();
    resolver_.refresh_soon();
  }
  return to_store_error(*error);
}

Result<RedisPool::Lent, StoreError> RedisPool::borrow(Deadline deadline) {
  auto turn = take_turn(deadline);
  if (!turn) return turn.error();
  auto kept = std::move(*turn);
  while (kept && !kept->still_good()) kept = other_idle();
  if (kept) return Lent(kept.release(), {this, Origin::kept});
  auto opened = connect(deadline);
  if (opened) return Lent(opened->release(), {this, Origin::fresh});
  free_turn();
  return opened.error();
}

// A turn, and with it a kept connection if there is one.
Result<RedisPool::Connection, StoreError> RedisPool::take_turn(Deadline deadline) {
  std::unique_lock lock(mutex_);
  if (!idle_.empty()) {
    auto kept = std::move(idle_.back());
    idle_.pop_back();
    return kept;
  }
  if (turns_taken_ >= options_.most_connections) return wait_for_turn(lock, deadline);
  ++turns_taken_;
  return Connection{};
}

Result<RedisPool::Connection, StoreError> RedisPool::wait_for_turn(std::unique_lock<std::mutex>& lock,
                                                                   Deadline deadline) {
  Waiter self;
  waiters_.push_back(&self);
  if (self.served.wait_until(lock, deadline, [&] { return self.has_turn; })) return std::move(self.connection);
  std::erase(waiters_, &self);
  return StoreError{StoreErrorKind::timed_out, Executed::no,
                    "all " + std::to_string(options_.most_connections) + " connections were in use until the deadline"};
}

// Another idle connection instead of one that turned out to be dead, whose turn is then given up; or none, and the turn
// stays.
RedisPool::Connection RedisPool::other_idle() {
  const std::lock_guard lock(mutex_);
  if (idle_.empty()) return {};
  --turns_taken_;  // something is idle, so nobody waits for it
  auto kept = std::move(idle_.back());
  idle_.pop_back();
  return kept;
}

void RedisPool::give_back(Connection connection) {
  if (!connection->is_open()) return free_turn();
  const std::lock_guard lock(mutex_);
  if (waiters_.empty()) return idle_.push_back(std::move(connection));
  auto& next = *waiters_.front();
  waiters_.pop_front();
  next.connection = std::move(connection);
  next.has_turn = true;
  next.served.notify_one();
}

void RedisPool::free_turn() {
  const std::lock_guard lock(mutex_);
  if (waiters_.empty()) {
    --turns_taken_;
    return;
  }
  auto& next = *waiters_.front();
  waiters_.pop_front();
  next.has_turn = true;
  next.served.notify_one();
}

RedisConnection::Opened RedisPool::connect(Deadline deadline) {
  const auto attempt = begin_attempt();
  if (attempt == Attempt::none) return pausing();
  auto opened = RedisConnection::open(io_, target(), deadline);
  end_attempt(attempt, opened);
  if (!opened) resolver_.refresh_soon();
  return opened;
}

RedisTarget RedisPool::target() {
  RedisTarget target{resolver_.addresses(address_.seeds.front()), address_.login, options_.client_name};
  const std::lock_guard lock(mutex_);
  // Of several addresses a dead first one would cost every new connection its share of the time.
  const auto good = std::find(target.endpoints.begin(), target.endpoints.end(), last_good_);
  if (good != target.endpoints.end()) std::rotate(target.endpoints.begin(), good, good + 1);
  return target;
}

RedisPool::Attempt RedisPool::begin_attempt() {
  const std::lock_guard lock(mutex_);
  if (!backoff_.failing()) return Attempt::usual;
  if (probing_ || !backoff_.may_try(Clock::now())) return Attempt::none;
  probing_ = true;
  return Attempt::probe;
}

void RedisPool::end_attempt(Attempt attempt, const RedisConnection::Opened& opened) {
  const std::lock_guard lock(mutex_);
  if (attempt == Attempt::probe) probing_ = false;
  if (opened) {
    backoff_.succeeded();
    last_good_ = (*opened)->endpoint();
    return;
  }
  // Many usual attempts may fail together; that is one failure.
  if (attempt == Attempt::usual && backoff_.failing()) return;
  backoff_.failed(Clock::now());
  last_failure_ = opened.error();
}

// A wrong password stays a wrong password while nobody tries it again; everything else has become "unreachable".
StoreError RedisPool::pausing() const {
  const std::lock_guard lock(mutex_);
  const bool lasting =
      last_failure_.kind == StoreErrorKind::misconfigured || last_failure_.kind == StoreErrorKind::refused;
  return {lasting ? last_failure_.kind : StoreErrorKind::unreachable, Executed::no,
          "not tried again yet after: " + last_failure_.text};
}

}  // namespace quota
