#include "tests/support/redis_cluster.hpp"

#include <chrono>
#include <stdexcept>
#include <thread>

namespace test {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr std::size_t masters = 3;
constexpr unsigned slots = 16'384;

unsigned first_slot(std::size_t master) { return static_cast<unsigned>(master * slots / masters); }

template <class Condition>
void await(const char* what, Condition condition) {
  for (const auto end = Clock::now() + 30s; Clock::now() < end; std::this_thread::sleep_for(10ms))
    if (condition()) return;
  throw std::runtime_error(what);
}

bool says(const RedisServer& server, const std::string& question, const std::string& answer) {
  return server.ask(question).find(answer) != std::string::npos;
}

void order(const RedisServer& server, const std::string& command) {
  const auto reply = server.ask(command);
  if (!reply.starts_with("+OK")) throw std::runtime_error(command + ": " + reply);
}

/// The bulk string that a reply consists of.
std::string bulk(const std::string& reply) {
  const auto begin = reply.find("\r\n") + 2;
  return reply.substr(begin, reply.rfind("\r\n") - begin);
}

}  // namespace

RedisCluster::RedisCluster(Replicas replicas, std::vector<std::string> config, const std::vector<std::string>& tls)
    : listen_(tls.empty() ? RedisServer::Listen::unix_and_tcp : RedisServer::Listen::unix_and_tls) {
  // First, so that what the test wants comes last and holds.
  config.insert(config.begin(), {"cluster-enabled yes", "cluster-node-timeout 1000", "repl-diskless-sync-delay 0", "repl-ping-replica-period 1"});
  config.insert(config.end(), tls.begin(), tls.end());
  const std::size_t count = replicas == Replicas::none ? masters : masters * 2;
  for (std::size_t i = 0; i < count; ++i) nodes_.push_back(std::make_unique<RedisServer>(config, listen_));
  for (std::size_t i = 0; i < count; ++i) {
    ids_.push_back(bulk(nodes_[i]->ask("CLUSTER MYID")));
    order(*nodes_[i], "CLUSTER SET-CONFIG-EPOCH " + std::to_string(i + 1));
    if (i < masters)
      order(*nodes_[i], "CLUSTER ADDSLOTSRANGE " + std::to_string(first_slot(i)) + " " + std::to_string(first_slot(i + 1) - 1));
    if (i > 0)
      order(*nodes_[0], "CLUSTER MEET 127.0.0.1 " + std::to_string(nodes_[i]->port()) + " " + std::to_string(nodes_[i]->bus_port()));
  }
  const auto all_known = "cluster_known_nodes:" + std::to_string(count);
  for (const auto& node : nodes_) await("the nodes do not meet", [&] { return says(*node, "CLUSTER INFO", all_known); });
  for (std::size_t i = masters; i < count; ++i) {
    // A node learns that another one is a master only when it hears from it.
    await("a replica finds no master", [&] { return nodes_[i]->ask("CLUSTER REPLICATE " + ids_[i - masters]).starts_with("+OK"); });
    await("a replica does not follow", [&] { return says(*nodes_[i - masters], "WAIT 1 100", ":1"); });
  }
  for (const auto& node : nodes_) await("the cluster does not get well", [&] { return says(*node, "CLUSTER INFO", "cluster_state:ok"); });
}

std::string RedisCluster::url(std::size_t seeds) const {
  std::string hosts;
  for (std::size_t i = 0; i < seeds; ++i) hosts += (hosts.empty() ? "" : ",") + ("127.0.0.1:" + std::to_string(nodes_[i]->port()));
  return (listen_ == RedisServer::Listen::unix_and_tls ? "rediss+cluster://" : "redis+cluster://") + hosts;
}

std::size_t RedisCluster::first_holder(unsigned slot) {
  std::size_t master = 0;
  while (master + 1 < masters && slot >= first_slot(master + 1)) ++master;
  return master;
}

void RedisCluster::begin_migration(unsigned slot, std::size_t from, std::size_t to) {
  order(*nodes_[to], "CLUSTER SETSLOT " + std::to_string(slot) + " IMPORTING " + ids_[from]);
  order(*nodes_[from], "CLUSTER SETSLOT " + std::to_string(slot) + " MIGRATING " + ids_[to]);
}

void RedisCluster::migrate_keys(unsigned slot, std::size_t from, std::size_t to) {
  for (;;) {
    const auto reply = nodes_[from]->ask("CLUSTER GETKEYSINSLOT " + std::to_string(slot) + " 1");
    if (reply.starts_with("*0")) return;
    if (!reply.starts_with("*1")) throw std::runtime_error("CLUSTER GETKEYSINSLOT: " + reply);
    const auto key = bulk(reply.substr(reply.find("\r\n") + 2));
    const auto moved = nodes_[from]->ask("MIGRATE 127.0.0.1 " + std::to_string(nodes_[to]->port()) + " " + key + " 0 1000");
    if (!moved.starts_with("+OK") && !moved.starts_with("+NOKEY")) throw std::runtime_error("MIGRATE: " + moved);
  }
}

void RedisCluster::end_migration(unsigned slot, std::size_t from, std::size_t to) {
  for (const auto number : {to, from}) order(*nodes_[number], "CLUSTER SETSLOT " + std::to_string(slot) + " NODE " + ids_[to]);
  for (std::size_t i = 0; i < masters; ++i)
    if (i != from && i != to) order(*nodes_[i], "CLUSTER SETSLOT " + std::to_string(slot) + " NODE " + ids_[to]);
}

void RedisCluster::clear() {
  for (const auto& node : nodes_) (void)node->ask("FLUSHALL");
}

}  // namespace test
