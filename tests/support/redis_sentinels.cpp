#include "tests/support/redis_sentinels.hpp"

#include <chrono>
#include <stdexcept>
#include <thread>

namespace test {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
using Listen = RedisServer::Listen;

constexpr int replicas = 2;
constexpr int sentinels = 3;

std::string at(const RedisServer& server) { return "127.0.0.1 " + std::to_string(server.port()); }

std::string id(int number) { return std::string(39, 'a') + std::to_string(number); }

template <class Condition>
void await(const char* what, Condition condition) {
  for (const auto end = Clock::now() + 20s; Clock::now() < end; std::this_thread::sleep_for(10ms))
    if (condition()) return;
  throw std::runtime_error(what);
}

bool says(const RedisServer& server, const std::string& question, const std::string& answer) {
  return server.ask(question).find(answer) != std::string::npos;
}

}  // namespace

RedisSentinels::RedisSentinels(std::vector<std::string> config, const std::vector<std::string>& tls)
    : listen_(tls.empty() ? Listen::unix_and_tcp : Listen::unix_and_tls) {
  config.insert(config.end(), {"repl-diskless-sync-delay 0", "repl-ping-replica-period 1"});
  config.insert(config.end(), tls.begin(), tls.end());
  data_.push_back(std::make_unique<RedisServer>(config, listen_));
  config.push_back("replicaof " + at(*data_[0]));
  for (int i = 0; i < replicas; ++i) data_.push_back(std::make_unique<RedisServer>(config, listen_));
  for (int i = 0; i < sentinels; ++i) {
    std::vector<std::string> lines{"sentinel myid " + id(i),
                                   "sentinel monitor mymaster " + at(*data_[0]) + " 2",
                                   "sentinel down-after-milliseconds mymaster 500",
                                   "sentinel failover-timeout mymaster 2000",
                                   "sentinel parallel-syncs mymaster 2"};
    for (int replica = 1; replica <= replicas; ++replica)
      lines.push_back("sentinel known-replica mymaster " + at(*data_[static_cast<std::size_t>(replica)]));
    lines.insert(lines.end(), tls.begin(), tls.end());
    sentinels_.push_back(std::make_unique<RedisServer>(lines, listen_));
    sentinels_.back()->ask("SENTINEL DEBUG info-period 300 publish-period 300 ask-period 300");
  }
  await("the replicas do not follow", [&] { return says(*data_[0], "WAIT 2 100", ":2"); });
  for (const auto& sentinel : sentinels_)
    await("the sentinels do not find each other", [&] {
      return says(*sentinel, "SENTINEL CKQUORUM mymaster", "+OK 3 usable") && says(*sentinel, "SENTINEL MASTER mymaster", "num-slaves\r\n$1\r\n2") ;
    });
}

std::string RedisSentinels::url(const std::string& name, std::vector<std::size_t> which) const {
  std::string hosts;
  for (const auto number : which) hosts += (hosts.empty() ? "" : ",") + ("127.0.0.1:" + std::to_string(sentinels_[number]->port()));
  return (listen_ == Listen::unix_and_tls ? "rediss+sentinel://" : "redis+sentinel://") + hosts + "/" + name;
}

std::size_t RedisSentinels::master() const {
  std::size_t found = data_.size();
  for (std::size_t i = 0; i < data_.size(); ++i)
    if (says(*data_[i], "ROLE", "\r\nmaster\r\n")) found = i;
  return found;
}

bool RedisSentinels::names_master(std::size_t sentinel, std::size_t server) const {
  return says(*sentinels_[sentinel], "SENTINEL GET-MASTER-ADDR-BY-NAME mymaster", "\r\n" + std::to_string(data_[server]->port()) + "\r\n");
}

}  // namespace test
