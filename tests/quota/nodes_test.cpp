#include "quota/nodes.hpp"

#include <doctest/doctest.h>

#include "quota/time_text.hpp"

namespace quota {
namespace {

using namespace std::chrono_literals;

const Timestamp noon = *parse_moment("2026-11-22T12:00:00Z");

Node node(const std::string& name, const std::string& config = "aaaaaaaaaaaa", Milliseconds seen_ago = 0ms) {
  return {.name = name, .version = "0.1.0", .config = config, .config_since = noon - 1h, .seen = noon - seen_ago, .since = noon - 2h};
}

NodeList list(const std::vector<Node>& nodes) {
  NodesText text;
  text.now = noon;
  for (const auto& node : nodes) text.entries.emplace_back(node.name, format(node));
  return read_nodes(text);
}

std::vector<std::string> what(const std::vector<NodeAlarm>& alarms) {
  std::vector<std::string> all;
  for (const auto& alarm : alarms) all.push_back(alarm.event.what);
  return all;
}

}  // namespace

TEST_CASE("what a daemon writes of itself is read back, and what it does not know is ignored") {
  auto written = node("mx1/3f9c2a");
  written.state = Node::State::degraded;
  const auto text = format(written);
  CHECK(text == "version=0.1.0 config=aaaaaaaaaaaa config_since=2026-11-22T11:00:00Z seen=2026-11-22T12:00:00Z state=degraded since=2026-11-22T10:00:00Z");
  CHECK(parse_node("mx1/3f9c2a", text) == written);
  CHECK(parse_node("mx1/3f9c2a", "more=1 " + text + " less") == written);
  CHECK(parse_node("mx1", "seen=2026-11-22T12:00:00Z")->config_since == noon);
  for (const auto* none : {"", "anything", "seen=yesterday", "version=1 state=normal"}) CHECK_FALSE(parse_node("mx1", none));
  CHECK(parse_node("mx1", "seen=2026-11-22T12:00:00Z version=" + std::string(1000, 'x'))->version.size() == 64);
}

TEST_CASE("a daemon counts for a day after it was seen, and runs for three heartbeats") {
  auto stopped = node("mx5");
  stopped.state = Node::State::stopped;
  const auto nodes = list({node("mx2", "a", 30s), node("mx1"), node("mx3", "a", 36s), node("mx4", "a", 24h), stopped, node("gone", "a", 24h + 1ms),
                           node("odd", "a", -25h)});
  CHECK(nodes.count() == 5);
  CHECK(nodes.nodes.front().name == "mx1");
  CHECK(nodes.alive() == 2);
  CHECK(nodes.gone == std::vector<std::string>{"gone", "odd"});
}

TEST_CASE("the odd one out is the one that most of those that run do not agree with") {
  const struct {
    const char* why;
    std::vector<Node> nodes;
    std::string common;
    std::vector<std::string> odd;
  } rows[] = {
      {"nobody", {}, "", {}},
      {"one", {node("mx1", "a")}, "a", {}},
      {"all the same", {node("mx1", "a"), node("mx2", "a")}, "a", {}},
      {"one of three", {node("mx1", "a"), node("mx2", "b"), node("mx3", "a")}, "a", {"mx2"}},
      {"two of five", {node("mx1", "a"), node("mx2", "b"), node("mx3", "a"), node("mx4", "c"), node("mx5", "a")}, "a", {"mx2", "mx4"}},
      {"two against two", {node("mx1", "a"), node("mx2", "b")}, "", {"mx1", "mx2"}},
      {"one that does not run", {node("mx1", "a"), node("mx2", "b", 1min)}, "a", {}},
  };
  for (const auto& row : rows) {
    CAPTURE(row.why);
    const auto nodes = list(row.nodes);
    CHECK(nodes.common_config() == row.common);
    std::vector<std::string> odd;
    for (const auto& one : nodes.nodes)
      if (nodes.is_odd(one)) odd.push_back(one.name);
    CHECK(odd == row.odd);
    CHECK(nodes.has_odd() == !row.odd.empty());
  }
}

TEST_CASE("configurations that differ are an event after five minutes, under one name for all daemons") {
  const auto since = [](Node node, Milliseconds ago) {
    node.config_since = noon - ago;
    return node;
  };
  const struct {
    const char* why;
    std::vector<Node> nodes;
    bool want;
  } rows[] = {
      {"while it is rolled out", {since(node("mx1", "a"), 1h), since(node("mx2", "b"), 5min)}, false},
      {"after that", {since(node("mx1", "a"), 1h), since(node("mx2", "b"), 5min + 1ms)}, true},
      {"the same", {since(node("mx1", "a"), 1h), since(node("mx2", "a"), 1h)}, false},
      {"one that does not run", {since(node("mx1", "a"), 1h), since(node("mx2", "b", 1min), 1h)}, false},
  };
  for (const auto& row : rows) {
    CAPTURE(row.why);
    CHECK(what(alarms(list(row.nodes), {})) == (row.want ? std::vector<std::string>{"config_differs"} : std::vector<std::string>{}));
  }
  const auto one = alarms(list({node("mx1", "a"), node("mx2", "b")}), {}).front();
  const auto other = alarms(list({node("mx3", "a"), node("mx1", "b"), node("mx2", "b")}), {}).front();
  const auto third = alarms(list({node("mx1", "a"), node("mx2", "c")}), {}).front();
  CHECK(one.claim == other.claim);
  CHECK(one.claim != third.claim);
  CHECK(one.event.text.find("mx1 (a, since 2026-11-22T11:00:00Z), mx2 (b, since") != std::string::npos);
}

TEST_CASE("a fixed number of nodes below those that run is an event") {
  const std::vector<Node> two{node("mx1"), node("mx2"), node("mx3", "aaaaaaaaaaaa", 1h)};
  CHECK(alarms(list(two), {}).empty());
  CHECK(alarms(list(two), 2).empty());
  CHECK(what(alarms(list(two), 1)) == std::vector<std::string>{"nodes_too_small"});
  CHECK(alarms(list(two), 1).front().event.text.find("write 2 or \"auto\"") != std::string::npos);
}

}  // namespace quota
