#include "quota/store/redis_pool.hpp"

#include <algorithm>
#include <new>
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

/// Empty where the machine has no thread or no memory for one: others may find it has.
std::shared_ptr<RedisPipeline> piped(std::unique_ptr<RedisConnection> connection) try {
  return std::make_shared<RedisPipeline>(std::move(connection));
} catch (const std::exception&) {
  return nullptr;
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
  std::unique_lock lock(mutex_);
  for (;;) {
    if (failure_) return not_asked(*failure_);
    if (pipeline_ && pipeline_->is_open()) return Loan(pipeline_, true, term_, Clock::now());
    if (!is_being_opened_) break;
    if (opened_.wait_until(lock, deadline) == std::cv_status::timeout)
      return StoreError{StoreErrorKind::timed_out, Executed::no, "a connection was being opened until the deadline"};
  }
  is_being_opened_ = true;
  const auto term = term_;
  lock.unlock();
  return open(term, deadline);
}

/// Requires: is_being_opened_ was set by the caller.
Result<RedisPool::Loan, StoreError> RedisPool::open(std::uint64_t term, Deadline deadline) {
  const auto since = Clock::now();
  auto opened = connect(deadline);
  auto pipeline = opened ? piped(std::move(*opened)) : nullptr;
  if (opened && !pipeline) opened = StoreError{StoreErrorKind::unreachable, Executed::no, "no thread or no memory for a connection"};
  {
    const std::lock_guard lock(mutex_);
    is_being_opened_ = false;
    if (pipeline && !failure_) pipeline_ = pipeline;
    opened_.notify_all();
  }
  if (pipeline) return Loan(std::move(pipeline), false, term, since);
  if (says_much(opened.error(), since)) note(opened.error(), term);
  return opened.error();
}

bool RedisPool::may_borrow_again(const Loan& loan, const StoreError& error) {
  return loan.is_kept_ && error.kind == StoreErrorKind::closed && error.executed == Executed::no;
}

void RedisPool::fail(const Loan& loan, const StoreError& error) {
  if (says_much(error, loan.since_))
    note(error, loan.term_);
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
  std::shared_ptr<RedisPipeline> dropped;  // closed when the lock is free
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

// Requires: mutex_ is held.
void RedisPool::serve(std::unique_ptr<RedisConnection> first) {
  is_suspected_ = false;
  if (std::exchange(failure_, std::nullopt)) ++term_;
  if (!pipeline_ || !pipeline_->is_open()) pipeline_ = piped(std::move(first));
}

void RedisPool::note(const StoreError& error, std::uint64_t term) {
  std::shared_ptr<RedisPipeline> dropped;  // closed when the lock is free
  {
    const std::lock_guard lock(mutex_);
    if (failure_ || term != term_) return;
    dropped = break_off(error);
    failure_lasts_ = false;
  }
  options_.alarm();
}

// Requires: mutex_ is held. Returns: the connection, which those who wait for an answer on it keep until then.
std::shared_ptr<RedisPipeline> RedisPool::break_off(const StoreError& error) {
  is_suspected_ = false;
  failure_ = error;
  opened_.notify_all();
  return std::exchange(pipeline_, nullptr);
}

// Of a question that was given little time only the deadline is known, not the server.
bool RedisPool::says_much(const StoreError& error, Moment since) const {
  return error.kind != StoreErrorKind::timed_out || Clock::now() - since >= options_.patience;
}

RedisConnection::Opened RedisPool::connect(Deadline deadline) try {
  auto opened = RedisConnection::open(io_, target(), deadline);
  if (!opened) {
    resolver_.refresh_soon();
    return opened;
  }
  const std::lock_guard lock(mutex_);
  last_good_ = (*opened)->endpoint();
  return opened;
} catch (const std::bad_alloc&) {
  return StoreError{StoreErrorKind::unreachable, Executed::no, "no memory"};
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
