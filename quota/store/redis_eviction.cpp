#include "quota/store/redis_eviction.hpp"

#include <algorithm>

#include "quota/store/quiet_thread.hpp"
#include "quota/store/redis_info.hpp"

namespace quota {
namespace {

constexpr std::size_t longest_policy = 64;  // what a server says is shown

}  // namespace

RedisEviction::RedisEviction(const RedisTopology& topology, RedisLogin login, Resolver& resolver, RedisEvictionOptions options)
    : topology_(topology), login_(std::move(login)), options_(std::move(options)), dialer_(resolver, options_.client_name, options_.tls) {
  thread_ = quiet_thread([this] { run(); });
}

RedisEviction::~RedisEviction() {
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
    ended_.notify_all();
  }
  thread_.join();
}

void RedisEviction::run() {
  do ask_due();
  while (rest());
}

/// Returns false at the end.
bool RedisEviction::rest() {
  std::unique_lock lock(mutex_);
  return !ended_.wait_for(lock, options_.look_for_new_every, [this] { return is_stopping_; });
}

void RedisEviction::ask_due() {
  const auto servers = topology_.servers();
  forget_others(servers);
  for (const auto& server : servers) {
    const auto name = printable(server);
    auto& known = known_[name];
    if (Clock::now() < known.next) continue;
    const auto policy = policy_of(server);
    known.next = Clock::now() + (policy ? options_.every : options_.retry_after);
    if (policy && std::exchange(known.policy, *policy) != *policy) options_.tell(name, *policy);
  }
}

void RedisEviction::forget_others(const std::vector<RedisServerName>& servers) {
  std::erase_if(known_, [&](const auto& one) {
    const bool is_there = std::ranges::any_of(servers, [&](const auto& server) { return printable(server) == one.first; });
    if (!is_there && !one.second.policy.empty()) options_.tell(one.first, "");
    return !is_there;
  });
}

/// Empty where there was no answer; an empty text where nothing is evicted, or where we are not to know.
std::optional<std::string> RedisEviction::policy_of(const RedisServerName& server) {
  const auto deadline = Clock::now() + options_.timeout;
  const auto opened = dialer_.open(server, login_, deadline);
  if (!opened) return std::nullopt;
  const auto info = (*opened)->ask(Command{"INFO", "memory"}, deadline);
  if (!info) return std::nullopt;
  const auto policy = info_value(info->text().value_or(""), "maxmemory_policy:");
  return std::string(policy == "noeviction" ? "" : policy.substr(0, longest_policy));
}

}  // namespace quota
