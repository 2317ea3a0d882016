#include "quota/nodes.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "quota/encoding.hpp"
#include "quota/text.hpp"
#include "quota/time_text.hpp"

namespace quota {
namespace {

constexpr std::array<std::string_view, 3> state_names{"normal", "degraded", "stopped"};
constexpr std::size_t claim_size = 16;
constexpr std::size_t longest_word = 64;

using Words = std::map<std::string_view, std::string_view>;

Words fields_of(std::string_view text) {
  Words words;
  for (auto rest = trim(text); !rest.empty();) {
    const auto word = next_word(rest);
    const auto equals = std::min(word.find('='), word.size());
    words[word.substr(0, equals)] = word.substr(std::min(equals + 1, word.size()));
  }
  return words;
}

std::string listed(const std::vector<const Node*>& nodes) {
  std::string text;
  for (const auto* node : nodes)
    text += (text.empty() ? "" : ", ") + node->name + " (" + node->config + ", since " + format_moment(node->config_since) + ")";
  return text;
}

/// Running nodes whose configuration has stood for so long that a change must have reached all of them.
std::vector<const Node*> settled(const NodeList& list) {
  std::vector<const Node*> nodes;
  for (const auto& node : list.nodes)
    if (list.is_alive(node) && list.now - node.config_since > may_differ_for) nodes.push_back(&node);
  return nodes;
}

std::optional<NodeAlarm> about_configs(const NodeList& list) {
  const auto nodes = settled(list);
  std::set<std::string> configs;
  for (const auto* node : nodes) configs.insert(node->config);
  if (configs.size() < 2) return std::nullopt;
  std::string all;
  for (const auto& config : configs) all += config + " ";
  return NodeAlarm{"config-differs:" + sha256_hex(all).substr(0, claim_size),
                   {"config_differs", "warning", "", "these daemons judge by different configurations: " + listed(nodes), "", ""}};
}

std::optional<NodeAlarm> about_number(const NodeList& list, const std::optional<std::int64_t>& fixed_nodes) {
  const auto alive = static_cast<std::int64_t>(list.alive());
  if (!fixed_nodes || alive <= *fixed_nodes) return std::nullopt;
  const auto fixed = std::to_string(*fixed_nodes), seen = std::to_string(alive);
  return NodeAlarm{"nodes-too-small:" + fixed + ":" + seen,
                   {"nodes_too_small", "warning", "",
                    "store.nodes is " + fixed + " but " + seen + " daemons run: while the store is away they would let more than the limits through; write " +
                        seen + " or \"auto\"",
                    "", ""}};
}

}  // namespace

std::string_view name(Node::State state) { return state_names[static_cast<std::size_t>(state)]; }

std::string format(const Node& node) {
  return "version=" + node.version + " config=" + node.config + " config_since=" + format_moment(node.config_since) +
         " seen=" + format_moment(node.seen) + " state=" + std::string(name(node.state)) + " since=" + format_moment(node.since);
}

std::optional<Node> parse_node(const std::string& name, std::string_view text) {
  auto words = fields_of(text);
  const auto seen = parse_moment(words["seen"]);
  if (name.empty() || !seen) return std::nullopt;
  const auto state = std::find(state_names.begin(), state_names.end(), words["state"]);
  Node node{.name = name.substr(0, 4 * longest_word),
            .version = std::string(words["version"].substr(0, longest_word)),
            .config = std::string(words["config"].substr(0, longest_word))};
  node.seen = *seen;
  node.config_since = parse_moment(words["config_since"]).value_or(*seen);
  node.since = parse_moment(words["since"]).value_or(*seen);
  if (state != state_names.end()) node.state = static_cast<Node::State>(state - state_names.begin());
  return node;
}

NodeList read_nodes(const NodesText& text) {
  NodeList list;
  list.now = text.now;
  for (const auto& [field, value] : text.entries) {
    auto node = parse_node(field, value);
    if (!node) continue;
    if (std::chrono::abs(text.now - node->seen) > gone_after)
      list.gone.push_back(field);
    else
      list.nodes.push_back(std::move(*node));
  }
  std::ranges::sort(list.nodes, {}, &Node::name);
  return list;
}

bool NodeList::is_alive(const Node& node) const { return node.state != Node::State::stopped && now - node.seen <= alive_for; }

std::size_t NodeList::alive() const {
  return static_cast<std::size_t>(std::ranges::count_if(nodes, [this](const Node& node) { return is_alive(node); }));
}

std::string NodeList::common_config() const {
  std::map<std::string, std::size_t> counts;
  for (const auto& node : nodes)
    if (is_alive(node)) ++counts[node.config];
  std::string most;
  for (const auto& one : counts) {
    const bool is_more = std::ranges::all_of(counts, [&one](const auto& other) { return other.first == one.first || other.second < one.second; });
    if (is_more) most = one.first;
  }
  return most;
}

bool NodeList::is_odd(const Node& node) const { return is_alive(node) && node.config != common_config(); }

bool NodeList::has_odd() const {
  return std::ranges::any_of(nodes, [this](const Node& node) { return is_odd(node); });
}

std::vector<NodeAlarm> alarms(const NodeList& list, const std::optional<std::int64_t>& fixed_nodes) {
  std::vector<NodeAlarm> all;
  if (auto alarm = about_configs(list)) all.push_back(std::move(*alarm));
  if (auto alarm = about_number(list, fixed_nodes)) all.push_back(std::move(*alarm));
  return all;
}

}  // namespace quota
