#include "quota/store/redis_topology.hpp"

#include <algorithm>

#include "quota/store/quiet_thread.hpp"
#include "quota/store/redis_info.hpp"
#include "quota/store/redis_scripts.hpp"

namespace quota {
namespace {

using Clock = std::chrono::steady_clock;
using Topology = RedisAddress::Topology;
using std::chrono::milliseconds;

constexpr milliseconds shortest_discovery{200};
constexpr milliseconds longest_discovery{1000};
constexpr milliseconds longest_rest = std::chrono::hours{1};
constexpr double jitter = 0.4;

std::string_view mode_in(std::string_view info) {
  const auto mode = info_value(info, "redis_mode:");
  return mode.empty() ? info_value(info, "server_mode:") : mode;  // newer servers
}

/// Why a server of this mode is not what the address calls for; empty where it is.
std::string mode_problem(Topology topology, std::string_view mode) {
  if (mode == "sentinel" && topology == Topology::single)
    return " is a Sentinel; write redis+sentinel://host1,host2,host3/MASTER as the store's address";
  if (mode == "sentinel") return " is a Sentinel and holds no data";
  if (mode == "cluster" && topology == Topology::single)
    return " is a node of a Redis Cluster; write redis+cluster://host1,host2,host3 as the store's address";
  if (mode == "cluster" && topology == Topology::sentinel) return " is a node of a Redis Cluster, which has no sentinels";
  return {};
}

}  // namespace

RedisTopology::RedisTopology(const RedisAddress& address, Resolver& resolver, RedisTopologyOptions options)
    : address_(address),
      resolver_(resolver),
      options_(std::move(options)),
      look_soon_([this] { look_soon(); }),
      servers_([this](const RedisServerName& server, RedisPool::Standing standing) { return make(server, standing); }),
      dialer_(resolver_, options_.client_name, options_.tls),
      watch_(options_.tell),
      discovery_(make_discovery(address_, dialer_)) {
  thread_ = quiet_thread([this] { run(); });
}

RedisTopology::~RedisTopology() {
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
    changed_.notify_all();
  }
  thread_.join();
}

bool RedisTopology::wait_for_first_look(Deadline deadline) {
  std::unique_lock lock(mutex_);
  changed_.wait_until(lock, deadline, [this] { return has_looked_; });
  return has_looked_ && !servers_.failure();
}

RedisServers::Pool RedisTopology::make(const RedisServerName& server, RedisPool::Standing standing) {
  RedisPoolOptions options;
  options.client_name = options_.client_name;
  options.tls = options_.tls;
  options.patience = options_.timeout / 4;
  options.alarm = [this] { wake(); };
  return std::make_shared<RedisPool>(server, address_.login, resolver_, standing, std::move(options));
}

std::vector<Result<RedisReply, StoreError>> RedisTopology::ask_each(std::span<const RedisQuestion> questions, Deadline deadline,
                                                                    const ReplyLimits& limits) {
  using Redirections = RedisErrand::Redirections;
  const auto redirections = address_.topology == Topology::cluster ? Redirections::followed : Redirections::misplaced;
  return RedisErrand(servers_, redirections, look_soon_).run(questions, deadline, limits);
}

Result<RedisReply, StoreError> RedisTopology::ask(std::string_view key, const Command& words, Deadline deadline, const ReplyLimits& limits) {
  RedisQuestion question{key, {}};
  for (const auto word : words) question.words.add(word);
  return std::move(ask_each({&question, 1}, deadline, limits).front());
}

Result<RedisReply, StoreError> RedisTopology::eval(const RedisScript& script, std::span<const std::string_view> keys,
                                                   std::span<const std::string_view> arguments, Deadline deadline) {
  RedisQuestion question{keys.front(), {}, &script};
  question.words.add(static_cast<std::int64_t>(keys.size()));
  for (const auto word : keys) question.words.add(word);
  for (const auto word : arguments) question.words.add(word);
  return std::move(ask_each({&question, 1}, deadline).front());
}

std::vector<Result<RedisReply, StoreError>> RedisTopology::eval_each(const RedisScript& script, std::span<const Run> runs, Deadline deadline) {
  std::vector<RedisQuestion> questions;
  for (const auto& run : runs) {
    auto& words = questions.emplace_back(RedisQuestion{run.key, {}, &script}).words;
    words.add(1);
    words.add(run.key);
    for (const auto word : run.arguments) words.add(word);
  }
  return ask_each(questions, deadline);
}

std::optional<RedisTopology::Way> RedisTopology::redirected(const ServerError& error, const Place& said_by) {
  const bool has_moved = error.code == ServerErrorCode::moved;
  if (address_.topology != Topology::cluster || (!has_moved && error.code != ServerErrorCode::ask)) return {};
  const auto to = parse_redirection(error.text, said_by->server());
  if (!to) return {};
  if (has_moved) look_soon();
  return Way{has_moved ? servers_.moved(to->slot, to->server) : servers_.at(to->server), !has_moved};
}

void RedisTopology::look_soon() {
  map_is_old_ = true;
  wake();
}

void RedisTopology::wake() {
  const std::lock_guard lock(mutex_);
  is_woken_ = true;
  changed_.notify_all();
}

void RedisTopology::run() {
  do {
    if (Clock::now() >= discovery_due()) discover();
    end_looks();
    const auto failure = servers_.failure();
    look_at_doubtful();
    if (!looks_.empty() && !has_looked_) continue;
    report(failure);
  } while (rest());
  for (auto& look : looks_) look.thread.join();
}

/// Returns false at the end.
bool RedisTopology::rest() {
  const auto until = next_due();
  std::unique_lock lock(mutex_);
  changed_.wait_until(lock, until, [this] { return is_woken_ || is_stopping_; });
  is_woken_ = false;
  return !is_stopping_;
}

RedisTopology::Moment RedisTopology::discovery_due() const {
  if (!has_found_) return next_discovery_;
  const auto interval = discovery_->interval();
  if (!interval) return Moment::max();
  const bool is_urgent = map_is_old_ || watch_.is_in_doubt() || servers_.failure();
  return is_urgent ? next_discovery_ : last_discovery_ + *interval;
}

RedisTopology::Moment RedisTopology::next_due() const {
  auto due = std::min(discovery_due(), Clock::now() + longest_rest);
  for (const auto& pool : servers_.all()) {
    const auto known = next_look_.find(pool.get());
    const bool is_looked_at = std::any_of(looks_.begin(), looks_.end(), [&](const Look& look) { return look.pool == pool; });
    if (pool->is_in_doubt() && !is_looked_at) due = std::min(due, known == next_look_.end() ? Moment{} : known->second);
  }
  return due;
}

void RedisTopology::discover() {
  const auto began = Clock::now();
  next_discovery_ = began + pause();
  map_is_old_ = false;
  const auto layout = discovery_->find(began + std::clamp(options_.timeout, shortest_discovery, longest_discovery));
  last_discovery_ = Clock::now();
  if (!layout) {
    if (has_found_) watch_.note_failed_discovery(layout.error().text);
    return servers_.note_failure(layout.error());
  }
  has_found_ = true;
  // A name that is new takes its time here, so that nobody is lent a connection to nowhere.
  for (const auto& server : layout->servers) (void)resolver_.wait_for_addresses(server, began + longest_discovery);
  servers_.follow(*layout);
  watch_.note_layout(*layout);
}

void RedisTopology::look_at_doubtful() {
  const auto pools = servers_.all();
  const auto is_forgotten = [&](const RedisPool* one) {
    return std::none_of(pools.begin(), pools.end(), [&](const Pool& pool) { return pool.get() == one; });
  };
  std::erase_if(next_look_, [&](const auto& known) { return is_forgotten(known.first); });
  std::erase_if(looked_at_, is_forgotten);
  for (const auto& pool : pools) {
    const bool is_looked_at = std::any_of(looks_.begin(), looks_.end(), [&](const Look& look) { return look.pool == pool; });
    if (!pool->is_in_doubt() || is_looked_at || Clock::now() < next_look_[pool.get()]) continue;
    next_look_[pool.get()] = Clock::now() + pause();
    auto& look = looks_.emplace_back(pool);
    look.thread = quiet_thread([this, &look] { look_at(look); });
  }
}

void RedisTopology::end_looks() {
  looks_.remove_if([this](Look& look) {
    if (!look.has_ended) return false;
    look.thread.join();
    looked_at_.insert(look.pool.get());
    return true;
  });
}

void RedisTopology::look_at(Look& look) {
  const auto examined = look.pool->look(
      [&](RedisConnection& connection, Deadline deadline) { return examine(connection, look.pool, deadline); },
      Clock::now() + options_.timeout);
  // A server that has become another one's replica, or lost its keys to another, will not be well again.
  if (!examined) map_is_old_ = true;
  look.has_ended = true;
  wake();
}

Result<void, StoreError> RedisTopology::examine(RedisConnection& connection, const Pool& pool, Deadline deadline) const {
  if (auto fits = check_mode(connection, pool, deadline); !fits) return fits;
  const auto key = servers_.key_of(pool, options_.prefix + ":probe");
  // A server without a slot is asked for something only where it is to get one: no key says more than its clock does.
  const auto answer = key.empty() ? connection.ask(Command{"TIME"}, deadline)
                                  : connection.ask(Command{"EVAL", scripts::probe().source(), "1", key}, deadline);
  if (!answer) return answer.error();
  const auto error = answer->error();
  // A key in the midst of a migration is answered for by another server, and this one has said so well.
  if (error && error->code != ServerErrorCode::ask) {
    auto told = to_store_error(*error);
    told.text = printable(pool->server()) + ": " + told.text;
    return told;
  }
  return {};
}

Result<void, StoreError> RedisTopology::check_mode(RedisConnection& connection, const Pool& pool, Deadline deadline) const {
  const auto info = connection.ask(Command{"INFO", "server"}, deadline);
  if (!info) return info.error();
  // A server that does not say what it is (not allowed to, or loading) is judged by the question that follows.
  const auto problem = mode_problem(address_.topology, mode_in(info->text().value_or("")));
  if (problem.empty()) return {};
  return StoreError{StoreErrorKind::misconfigured, Executed::no, printable(pool->server()) + problem};
}

void RedisTopology::report(const std::optional<StoreError>& before_looking) {
  if (address_.topology == Topology::cluster) watch_.note_servers(health_of_servers());
  auto failure = servers_.lasting_failure();
  if (!failure && before_looking && (has_reported_failure_ || Clock::now() >= next_brief_)) {
    next_brief_ = Clock::now() + options_.brief_every;
    failure = before_looking;
  }
  if (failure.has_value() != has_reported_failure_) {
    has_reported_failure_ = failure.has_value();
    options_.report(failure ? failure->text : "");
  }
  const std::lock_guard lock(mutex_);
  has_looked_ = true;
  changed_.notify_all();
}

/// One that was just found is not asked before the first look at it, and has not failed.
std::vector<RedisWatch::Health> RedisTopology::health_of_servers() const {
  std::vector<RedisWatch::Health> all;
  for (const auto& pool : servers_.found()) {
    if (!looked_at_.contains(pool.get())) continue;
    const auto failure = pool->lasting_failure();
    all.push_back({printable(pool->server()), failure ? failure->text : ""});
  }
  return all;
}

std::vector<std::string> RedisTopology::key_on_each_server(const std::string& stem) const {
  std::vector<std::string> keys;
  for (const auto& pool : servers_.found())
    if (auto key = servers_.key_of(pool, stem); !key.empty()) keys.push_back(std::move(key));
  return keys;
}

std::vector<RedisServerName> RedisTopology::servers() const {
  std::vector<RedisServerName> names;
  for (const auto& pool : servers_.all()) names.push_back(pool->server());
  return names;
}

milliseconds RedisTopology::pause() {
  const auto most = static_cast<long>(static_cast<double>(options_.look_every.count()) * (1 + jitter));
  return milliseconds{std::uniform_int_distribution<long>(options_.look_every.count(), most)(random_)};
}

}  // namespace quota
