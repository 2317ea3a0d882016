#include "quota/node_memory.hpp"

#include <doctest/doctest.h>

#include "quota/time_text.hpp"

namespace quota {
namespace {

using namespace std::chrono_literals;

const Timestamp noon = *parse_moment("2026-11-22T12:00:00Z");

Node node(const std::string& name, Milliseconds seen_at = 0ms) { return {.name = name, .seen = noon + seen_at}; }

NodeList table(std::vector<Node> nodes, Milliseconds at = 0ms) { return {.nodes = std::move(nodes), .gone = {}, .now = noon + at}; }

/// mx1, which has seen mx2 and mx3 and written itself.
NodeMemory memory_of_three() {
  NodeMemory memory;
  memory.read(table({node("mx2"), node("mx3")}));
  memory.wrote(node("mx1", 500ms));  // the table holds whole seconds
  memory.read(table({node("mx1"), node("mx2"), node("mx3")}, 10s));
  memory.wrote(node("mx1", 10s));
  return memory;
}

}  // namespace

TEST_CASE("who was in a table that is lost is awaited, and nobody else") {
  const struct {
    const char* why;
    NodeList next;
    std::size_t awaited;
  } rows[] = {
      {"the table is whole", table({node("mx1", 10s), node("mx2"), node("mx3")}, 20s), 0},
      {"it was taken away from a table that is whole", table({node("mx1", 10s), node("mx2")}, 20s), 0},
      {"empty", table({}, 20s), 2},
      {"empty, and one was back sooner", table({node("mx3", 19s)}, 20s), 1},
      {"an older copy", table({node("mx1", 0s), node("mx2")}, 20s), 1},
      {"empty for nearly a day", table({}, 24h), 2},
      {"empty for longer", table({}, 24h + 1ms), 0},
      {"the clock of another server", table({}, -25h), 0},
  };
  for (const auto& row : rows) {
    CAPTURE(row.why);
    auto memory = memory_of_three();
    memory.read(row.next);
    CHECK(memory.awaited() == row.awaited);
  }
}

TEST_CASE("who is awaited is awaited until it is back, or a day after it was seen") {
  auto memory = memory_of_three();
  memory.read(table({}, 20s));
  memory.wrote(node("mx1", 20s));
  memory.read(table({node("mx1", 20s)}, 30s));
  CHECK(memory.awaited() == 2);
  memory.read(table({node("mx1", 20s), node("mx2", 31s)}, 40s));
  CHECK(memory.awaited() == 1);
  memory.read(table({node("mx1", 20s), node("mx2", 31s)}, 24h + 1ms));
  CHECK(memory.awaited() == 0);
}

TEST_CASE("a bounded number is awaited, those that were seen last") {
  NodeMemory memory;
  std::vector<Node> many;
  for (int i = 0; i < 1500; ++i) many.push_back(node("mx" + std::to_string(i), i * 1ms));
  memory.wrote(node("mx0"));
  many.front().seen = noon;
  memory.read(table(many, 2s));
  memory.read(table({}, 3s));
  CHECK(memory.awaited() == NodeMemory::most_awaited);
  many.resize(500);
  memory.read(table(many, 4s));
  CHECK(memory.awaited() == NodeMemory::most_awaited);
}

}  // namespace quota
