// Nodes: the daemons that share a store, each as it writes itself into the table of nodes. Pure.
//
//   field mx1   version=0.1.0 config=3f9c2a71b0de config_since=… seen=… state=normal since=…
//
// Moments are the store's clock. A reader ignores words that it does not know.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "quota/store.hpp"

namespace quota {

struct Node {
  enum class State : std::uint8_t { normal, degraded, stopped };

  std::string name{};         ///< host, or host/instance
  std::string version{};
  std::string config{};       ///< the fingerprint of what its configuration decides
  Timestamp config_since{};   ///< it has had this one, restarts included
  Timestamp seen{};
  State state = State::normal;
  Timestamp since{};          ///< of the state

  bool operator==(const Node&) const = default;
};
[[nodiscard]] std::string_view name(Node::State state);

[[nodiscard]] std::string format(const Node& node);
/// Empty for what is none.
[[nodiscard]] std::optional<Node> parse_node(const std::string& name, std::string_view text);

/// How often each writes itself, and for how long it counts as running after that.
inline constexpr Milliseconds heartbeat_every = std::chrono::seconds{10};
inline constexpr Milliseconds alive_for = std::chrono::seconds{35};
/// After this it is gone: no longer counted, and taken away.
inline constexpr Milliseconds gone_after = std::chrono::hours{24};
/// How long configurations may differ, as they do while a change is rolled out.
inline constexpr Milliseconds may_differ_for = std::chrono::minutes{5};

/// The table as it was read at one moment.
struct NodeList {
  std::vector<Node> nodes{};        ///< seen within a day, by name
  std::vector<std::string> gone{};  ///< fields to be taken away
  Timestamp now{};

  /// Those that share the limits: seen within a day, for one that restarts or is cut off still sends.
  [[nodiscard]] std::size_t count() const { return nodes.size(); }
  [[nodiscard]] bool is_alive(const Node& node) const;
  [[nodiscard]] std::size_t alive() const;
  /// The fingerprint that most running nodes have; empty where no one has more than every other.
  [[nodiscard]] std::string common_config() const;
  /// Runs with another configuration than most do; where there is no most, every running node differs.
  [[nodiscard]] bool is_odd(const Node& node) const;
  [[nodiscard]] bool has_odd() const;
};
[[nodiscard]] NodeList read_nodes(const NodesText& text);

/// What one daemon of them should say, once for all of them.
struct NodeAlarm {
  std::string claim;
  Event event;
};
/// `fixed_nodes`: the setting `nodes`; empty: `auto`.
[[nodiscard]] std::vector<NodeAlarm> alarms(const NodeList& list, const std::optional<std::int64_t>& fixed_nodes);

}  // namespace quota
