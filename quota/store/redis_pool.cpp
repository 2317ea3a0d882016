#include "quota/store/redis_pool.hpp"

#include <algorithm>
#include <string>
#include <utility>

namespace quota {
namespace {

using Clock = std::chrono::steady_clock;

/// What a caller is told who was not even lent a connection. A wrong password stays a wrong password while nobody tries
/// it again; everything else has become "unreachable".
StoreError not_asked(const StoreError& failure) {
  const bool lasts = failure.kind == StoreErrorKind::misconfigured || failure.kind == StoreErrorKind::refused;
  return {lasts ? failure.kind : StoreErrorKind::unreachable, Executed::no, "not asked again yet after: " + failure.text};
}

}  // namespace

std::string printable(const RedisServerName& server) {
  if (const auto* local = std::get_if<UnixServer>(&server)) return local->path;
  const auto& tcp = std::get<TcpServer>(server);
  const bool is_ipv6 = tcp.host.find(':') != tcp.host.npos;
  return (is_ipv6 ? '[' + tcp.host + ']' : tcp.host) + ':' + std::to_string(tcp.port);
}

RedisPool::RedisPool(RedisServerName server, RedisLogin login, Resolver& resolver, Standing standing, RedisPoolOptions options)
    : server_(std::move(server)), login_(std::move(login)), options_(std::move(options)), resolver_(resolver) {
  if (standing == Standing::unproven)
    failure_ = StoreError{StoreErrorKind::unreachable, Executed::no, printable(server_) + " was not reached yet"};
}

Result<RedisPool::Loan, StoreError> RedisPool::borrow(Deadline deadline) {
  std::uint64_t term = 0;
  auto turn = take_turn(deadline, term);
  if (!turn) return turn.error();
  auto kept = std::move(*turn);
  while (kept && !kept->still_good()) kept = other_idle();
  const auto since = Clock::now();
  if (kept) return Loan(kept.release(), {this, Origin::kept, term, since});
  auto opened = connect(deadline);
  if (opened) return Loan(opened->release(), {this, Origin::fresh, term, since});
  free_turn();
  if (says_much(opened.error(), since)) note(opened.error(), term);
  return opened.error();
}

bool RedisPool::may_borrow_again(const Loan& loan, const StoreError& error) {
  return loan.get_deleter().origin == Origin::kept && error.kind == StoreErrorKind::closed && error.executed == Executed::no;
}

void RedisPool::fail(const Loan& loan, const StoreError& error) {
  const auto& lent = loan.get_deleter();
  if (says_much(error, lent.since))
    note(error, lent.term);
  else
    suspect();
}

void RedisPool::suspect() {
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(is_suspected_, true)) return;
  }
  options_.alarm();
}

Result<void, StoreError> RedisPool::look(const Question& question, Deadline deadline) {
  auto opened = connect(deadline);
  const auto answered = opened ? question(**opened, deadline) : Result<void, StoreError>(opened.error());
  std::vector<Connection> dropped;  // closed when the lock is free
  const std::lock_guard lock(mutex_);
  if (answered)
    serve(std::move(*opened));
  else
    dropped = break_off(answered.error());
  failure_lasts_ = !answered;
  return answered;
}

bool RedisPool::is_in_doubt() const {
  const std::lock_guard lock(mutex_);
  return failure_ || is_suspected_;
}

std::optional<StoreError> RedisPool::failure() const {
  const std::lock_guard lock(mutex_);
  return failure_;
}

std::optional<StoreError> RedisPool::lasting_failure() const {
  const std::lock_guard lock(mutex_);
  return failure_lasts_ ? failure_ : std::nullopt;
}

RedisConnection::Opened RedisPool::open_apart(Deadline deadline) {
  std::uint64_t term = 0;
  {
    const std::lock_guard lock(mutex_);
    if (failure_) return not_asked(*failure_);
    term = term_;
  }
  const auto since = Clock::now();
  auto opened = connect(deadline);
  if (!opened && says_much(opened.error(), since)) note(opened.error(), term);
  return opened;
}

RedisPool::Level RedisPool::level() const {
  const std::lock_guard lock(mutex_);
  return {.open = turns_taken_, .idle = idle_.size()};
}

// A turn, and with it a kept connection if there is one.
Result<RedisPool::Connection, StoreError> RedisPool::take_turn(Deadline deadline, std::uint64_t& term) {
  std::unique_lock lock(mutex_);
  if (failure_) return not_asked(*failure_);
  term = term_;
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
  const bool is_done = self.served.wait_until(lock, deadline, [&] { return self.is_done; });
  if (is_done && self.failure) return *self.failure;
  if (is_done) return std::move(self.connection);
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
  if (!connection->is_at_rest()) return free_turn();
  std::unique_lock lock(mutex_);
  if (failure_) {
    lock.unlock();
    return free_turn();
  }
  if (waiters_.empty()) return idle_.push_back(std::move(connection));
  auto& next = *waiters_.front();
  waiters_.pop_front();
  next.connection = std::move(connection);
  next.is_done = true;
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
  next.is_done = true;
  next.served.notify_one();
}

// Requires: mutex_ is held.
void RedisPool::serve(Connection first) {
  is_suspected_ = false;
  if (std::exchange(failure_, std::nullopt)) ++term_;
  if (turns_taken_ >= options_.most_connections) return;
  ++turns_taken_;
  idle_.push_back(std::move(first));
}

void RedisPool::note(const StoreError& error, std::uint64_t term) {
  std::vector<Connection> dropped;  // closed when the lock is free
  {
    const std::lock_guard lock(mutex_);
    if (failure_ || term != term_) return;
    dropped = break_off(error);
    failure_lasts_ = false;
  }
  options_.alarm();
}

// Requires: mutex_ is held. Returns: connections to be closed without it.
std::vector<RedisPool::Connection> RedisPool::break_off(const StoreError& error) {
  std::vector<Connection> dropped;
  is_suspected_ = false;
  failure_ = error;
  dropped.swap(idle_);
  turns_taken_ -= dropped.size();
  for (auto* waiter : std::exchange(waiters_, {})) {
    waiter->failure = not_asked(error);
    waiter->is_done = true;
    waiter->served.notify_one();
  }
  return dropped;
}

// Of a question that was given little time only the deadline is known, not the server.
bool RedisPool::says_much(const StoreError& error, Moment since) const {
  return error.kind != StoreErrorKind::timed_out || Clock::now() - since >= options_.patience;
}

RedisConnection::Opened RedisPool::connect(Deadline deadline) {
  auto opened = RedisConnection::open(io_, target(), deadline);
  if (!opened) {
    resolver_.refresh_soon();
    return opened;
  }
  const std::lock_guard lock(mutex_);
  last_good_ = (*opened)->endpoint();
  return opened;
}

RedisTarget RedisPool::target() {
  RedisTarget target{resolver_.addresses(server_), login_, options_.client_name, options_.tls};
  if (const auto* tcp = std::get_if<TcpServer>(&server_)) target.tls_name = tcp->host;
  const std::lock_guard lock(mutex_);
  // Of several addresses a dead first one would cost every new connection its share of the time.
  const auto good = std::find(target.endpoints.begin(), target.endpoints.end(), last_good_);
  if (good != target.endpoints.end()) std::rotate(target.endpoints.begin(), good, good + 1);
  return target;
}

}  // namespace quota
