#include "quota/store/redis_cluster.hpp"

#include <algorithm>

namespace quota {
namespace {

using Clock = std::chrono::steady_clock;

/// 16,384 slots in as many ranges, each with a master, some replicas and what else is known of them.
constexpr ReplyLimits layout_limits{std::size_t{16} << 20, 1'000'000};

StoreError nonsense(const RedisServerName& node) {
  return {StoreErrorKind::nonsense, Executed::no, printable(node) + ": the answer to CLUSTER SLOTS is not understood"};
}

StoreError refusal(const RedisServerName& node, const ServerError& error) {
  const bool is_none = error.text.find("cluster support disabled") != error.text.npos || error.text.starts_with("ERR unknown command");
  if (is_none)
    return {StoreErrorKind::misconfigured, Executed::no,
            printable(node) + " is no node of a Redis Cluster; for one server write redis://HOST:PORT/0 as the store's address"};
  auto told = to_store_error(error);
  told.executed = Executed::no;
  told.text = printable(node) + ": " + told.text;
  return told;
}

/// One node as CLUSTER SLOTS names it; without a host it is on that of the node that was asked.
std::optional<RedisServerName> server_of(const ReplyView& node, const RedisServerName& said_by) {
  if (node.size() < 2) return {};
  const auto port = node[1].integer();
  auto host = std::string(node[0].text().value_or(""));
  const auto* speaker = std::get_if<TcpServer>(&said_by);
  if ((host.empty() || host == "?") && speaker) host = speaker->host;
  if (host.empty() || !port || *port < 1 || *port > 65'535) return {};
  return TcpServer{host, static_cast<std::uint16_t>(*port)};
}

std::size_t index_of(std::vector<RedisServerName>& servers, const RedisServerName& server) {
  const auto at = std::find(servers.begin(), servers.end(), server);
  if (at == servers.end()) servers.push_back(server);
  return static_cast<std::size_t>(std::find(servers.begin(), servers.end(), server) - servers.begin());
}

}  // namespace

std::vector<RedisServerName> ClusterDiscovery::candidates() {
  auto all = nodes_;
  for (const auto& seed : address_.seeds)
    if (std::find(all.begin(), all.end(), seed) == all.end()) all.push_back(seed);
  std::rotate(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(turn_++ % all.size()), all.end());
  return all;
}

Result<RedisLayout, StoreError> ClusterDiscovery::find(Deadline deadline) {
  std::optional<Told> best;
  std::optional<StoreError> why;
  const auto all = candidates();
  for (std::size_t i = 0; i < all.size() && Clock::now() < deadline; ++i) {
    const auto left = static_cast<Deadline::rep>(all.size() - i);
    auto told = ask(all[i], Clock::now() + (deadline - Clock::now()) / std::min<Deadline::rep>(left, 3));
    if (!told && (!why || told.error().kind == StoreErrorKind::misconfigured)) why = told.error();
    if (!told || (best && !told->is_in_order)) continue;
    best = std::move(*told);
    if (best->is_in_order) break;
  }
  if (!best) return why.value_or(StoreError{StoreErrorKind::timed_out, Executed::no, "no node of the cluster was asked in time"});
  nodes_ = best->nodes;
  return best->layout;
}

Result<ClusterDiscovery::Told, StoreError> ClusterDiscovery::ask(const RedisServerName& node, Deadline deadline) {
  auto opened = dialer_.open(node, address_.login, deadline);
  if (!opened) return opened.error();
  const Command questions[] = {{"CLUSTER", "SLOTS"}, {"CLUSTER", "INFO"}};
  const auto replies = (*opened)->ask_all(questions, deadline, layout_limits);
  if (!replies) return replies.error();
  const auto& slots = (*replies)[0];
  if (const auto error = slots.error()) return refusal(node, *error);
  Told told;
  for (std::size_t i = 0; i < slots.size(); ++i) {
    const auto range = slots[i];
    const auto first = range.size() > 2 ? range[0].integer() : std::nullopt;
    const auto last = range.size() > 2 ? range[1].integer() : std::nullopt;
    const auto master = range.size() > 2 ? server_of(range[2], node) : std::nullopt;
    if (!first || !last || !master || *first < 0 || *first > *last || *last >= static_cast<std::int64_t>(slot_count)) return nonsense(node);
    told.layout.slots.push_back({static_cast<std::uint16_t>(*first), static_cast<std::uint16_t>(*last), index_of(told.layout.servers, *master)});
    for (std::size_t n = 2; n < range.size(); ++n)
      if (const auto named = server_of(range[n], node)) (void)index_of(told.nodes, *named);
  }
  if (told.layout.slots.empty()) return StoreError{StoreErrorKind::refused, Executed::no, printable(node) + ": no slot of the cluster is held by anybody"};
  told.is_in_order = (*replies)[1].text().value_or("").find("cluster_state:fail") == std::string_view::npos;
  return told;
}

}  // namespace quota
