#include "quota/store/redis_pipeline.hpp"

#include <algorithm>
#include <array>
#include <new>
#include <utility>

#include "quota/store/quiet_thread.hpp"

namespace quota {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::size_t kept_memory = 65'536;
constexpr std::size_t enough_under_way = 4;  // questions; measured with 1 to 64 connections: fewer cost system calls, more cost time
constexpr auto longest_write = std::chrono::seconds{1};

StoreError as(const StoreError& why, Executed executed) { return {why.kind, executed, why.text}; }

/// What cannot even be told for want of memory is an error too: whoever writes has the turn of everybody.
Result<void, RedisConnection::WriteError> written_by(RedisConnection& connection, std::string_view bytes, Deadline deadline) try {
  return connection.write(bytes, deadline);
} catch (const std::bad_alloc&) {
  return RedisConnection::WriteError{{StoreErrorKind::closed, Executed::possibly, "no memory"}, bytes.size()};
}

}  // namespace

struct RedisPipeline::Asker {
  std::mutex mutex;
  // Guarded by the mutex.
  std::condition_variable woken;
  boost::container::small_vector<RedisReply, 1> replies;  // that have come
  std::size_t received = 0;                               // of them
  std::optional<StoreError> error;

  [[nodiscard]] bool has_news() const { return received < replies.size() || error; }

  // Who is woken finds the mutex free. The caller of these keeps the asker alive until they return.
  void tell(const StoreError& why) {
    {
      const std::lock_guard lock(mutex);
      error = why;
    }
    woken.notify_one();
  }
  /// Wakes who waits once all has come, so that nobody is woken twice.
  void take(RedisReply reply, bool is_last) {
    {
      const std::lock_guard lock(mutex);
      replies.push_back(std::move(reply));
    }
    if (is_last) woken.notify_one();
  }
};

RedisPipeline::RedisPipeline(std::unique_ptr<RedisConnection> connection)
    : connection_(std::move(connection)), thread_(quiet_thread([this] { run(); })) {}

RedisPipeline::~RedisPipeline() {
  {
    const Lock lock(mutex_);
    is_ending_ = true;
    called_.notify_one();
  }
  connection_->shut_down();
  thread_.join();
}

bool RedisPipeline::is_open() const {
  const std::lock_guard lock(mutex_);
  return !broken_;
}

Result<void, StoreError> RedisPipeline::Exchange::send_all(std::span<const Command> commands, Deadline deadline, const ReplyLimits& limits) {
  if (commands.empty()) return {};
  std::string bytes;
  for (const auto& command : commands) append_command(bytes, command);
  return send_bytes(bytes, commands.size(), deadline, limits);
}

Result<void, StoreError> RedisPipeline::Exchange::send_bytes(std::string_view bytes, std::size_t replies, Deadline deadline, const ReplyLimits& limits) {
  asker_ = std::make_shared<Asker>();
  return pipeline_->send(asker_, bytes, replies, deadline, limits);
}

Result<void, StoreError> RedisPipeline::send(const std::shared_ptr<Asker>& asker, std::string_view bytes, std::size_t replies, Deadline deadline,
                                             const ReplyLimits& limits) {
  if (Clock::now() >= deadline) return StoreError{StoreErrorKind::timed_out, Executed::no, "the deadline passed before anything was asked"};
  Lock lock(mutex_);
  // A server may have closed it while nobody asked: a kept connection is looked at before it is trusted.
  if (!broken_ && places_.empty() && !is_being_read_ && !connection_->still_good())
    break_off({StoreErrorKind::closed, Executed::no, "the server closed the connection"});
  if (broken_) return as(*broken_, Executed::no);
  outbox_.reserve(outbox_.size() + bytes.size());  // where there is no memory, no place without a question is left
  places_.push_back({asker, replies, asked_, limits});
  asked_ += bytes.size();
  outbox_ += bytes;
  // Somebody reads whenever several are under way, whatever their callers do meanwhile.
  if (places_.size() > 1 && !std::exchange(is_being_read_, true)) leave_reading();
  const bool leaves_later = is_being_written_ || (is_read_for_all_ && places_.size() > enough_under_way);
  if (!leaves_later) write_out(lock, deadline);
  lock.unlock();
  const std::lock_guard own(asker->mutex);
  if (asker->error) return *asker->error;
  return {};
}

/// Writes until nothing more has been asked meanwhile.
void RedisPipeline::write_out(Lock& lock, Deadline deadline) {
  is_being_written_ = true;
  while (!outbox_.empty()) {
    auto bytes = std::exchange(outbox_, std::move(spare_));
    outbox_.clear();
    taken_ += bytes.size();
    lock.unlock();
    const auto sent = written_by(*connection_, bytes, deadline);
    lock.lock();
    if (!sent) {
      taken_ -= bytes.size() - sent.error().written;
      break_off(sent.error().why);
    }
    bytes.clear();
    spare_ = bytes.capacity() > kept_memory ? std::string() : std::move(bytes);
  }
  is_being_written_ = false;
}

Result<RedisReply, StoreError> RedisPipeline::Exchange::receive(Deadline deadline) {
  auto& asker = *asker_;
  for (bool is_late = false;; is_late = Clock::now() >= deadline) {
    {
      const std::lock_guard own(asker.mutex);
      if (asker.received < asker.replies.size()) return std::move(asker.replies[asker.received++]);
      if (asker.error) return *asker.error;
      if (is_late) break;
    }
    if (pipeline_->begins_to_read(asker)) {
      pipeline_->read_for(asker, deadline);
      continue;
    }
    std::unique_lock own(asker.mutex);
    asker.woken.wait_until(own, deadline, [&] { return asker.has_news(); });
  }
  return StoreError{StoreErrorKind::timed_out, pipeline_->withdraw(asker), pipeline_->connection_->name() + ": the deadline passed"};
}

/// Takes back a question that has not left. Returns whether it may have.
Executed RedisPipeline::withdraw(const Asker& asker) {
  const Lock lock(mutex_);
  const auto place = std::find_if(places_.begin(), places_.end(), [&](const Place& one) { return one.asker.get() == &asker; });
  if (place == places_.end() || place->begins < taken_) return Executed::possibly;
  const auto next = place + 1;
  const auto size = (next == places_.end() ? asked_ : next->begins) - place->begins;
  outbox_.erase(place->begins - taken_, size);
  asked_ -= size;
  for (auto later = next; later != places_.end(); ++later) later->begins -= size;
  places_.erase(place);
  return Executed::no;
}

/// Whether the caller, who has no reply yet, is to read: nobody else does, and nobody else waits.
bool RedisPipeline::begins_to_read(const Asker& asker) {
  const Lock lock(mutex_);
  if (is_being_read_ || places_.empty()) return false;
  is_being_read_ = true;
  if (places_.size() == 1 && places_.front().asker.get() == &asker) return true;
  leave_reading();
  return false;
}

/// Reads until the caller has what it waits for, or its deadline has passed.
void RedisPipeline::read_for(const Asker& asker, Deadline deadline) {
  std::array<char, one_read> buffer;
  for (;;) {
    const auto count = connection_->read(buffer, deadline);
    Lock lock(mutex_);
    if (!count && count.error().kind == StoreErrorKind::timed_out) return leave_reading();
    if (!count) return break_off(count.error());
    connection_->feed({buffer.data(), *count});
    auto come = dispatch();
    const bool is_over = broken_ || std::any_of(come.begin(), come.end(), [&](const Delivery& one) { return one.is_last && one.asker.get() == &asker; });
    if (is_over) leave_reading();
    lock.unlock();
    for (auto& [who, reply, is_last] : come) who->take(std::move(reply), is_last);
    if (is_over) return;
  }
}

void RedisPipeline::run() {
  for (;;) {
    {
      Lock lock(mutex_);
      called_.wait(lock, [this] { return is_read_for_all_ || is_ending_; });
      if (is_ending_) return;
    }
    while (read_for_all()) {
    }
  }
}

/// One read. Returns whether there is more to read for.
bool RedisPipeline::read_for_all() {
  std::array<char, one_read> buffer;
  const auto count = connection_->read(buffer, Deadline::max());
  Lock lock(mutex_);
  if (!count) {
    break_off(count.error());
    is_being_read_ = is_read_for_all_ = false;
    return false;
  }
  connection_->feed({buffer.data(), *count});
  auto come = dispatch();
  lock.unlock();
  // Before anything is written: that may take a while, and these have waited long enough.
  for (auto& [who, reply, is_last] : come) who->take(std::move(reply), is_last);
  lock.lock();
  if (!outbox_.empty() && !is_being_written_) write_out(lock, Clock::now() + longest_write);
  const bool goes_on = !places_.empty() && !broken_ && !is_ending_;
  is_being_read_ = is_read_for_all_ = goes_on;
  return goes_on;
}

/// Returns: what has come, to be handed out without it.
RedisPipeline::Deliveries RedisPipeline::dispatch() {
  Deliveries come;
  while (!broken_) {
    auto reply = connection_->next_reply(places_.empty() ? ReplyLimits{} : places_.front().limits);
    if (!reply) {
      break_off(reply.error());
      break;
    }
    if (!*reply) break;
    if (places_.empty()) {
      break_off(connection_->nonsense("more came than was asked for"));
      break;
    }
    auto& place = places_.front();
    const bool is_last = --place.left == 0;
    come.push_back({place.asker, std::move(**reply), is_last});
    if (is_last) places_.pop_front();
  }
  return come;
}

/// Who read does so no longer: if others wait, the thread does. Requires: is_being_read_.
void RedisPipeline::leave_reading() {
  is_being_read_ = is_read_for_all_ = !places_.empty() && !broken_;
  if (is_read_for_all_) called_.notify_one();
}

void RedisPipeline::break_off(const StoreError& why) {
  outbox_.clear();
  if (broken_) return;  // whatever broke it first is what everybody is told
  broken_ = why;
  connection_->shut_down();
  for (auto& place : std::exchange(places_, {})) place.asker->tell(as(why, place.begins >= taken_ ? Executed::no : Executed::possibly));
}

}  // namespace quota
