#include "quota/holding.hpp"

#include <doctest/doctest.h>

namespace quota {
namespace {

using namespace std::chrono_literals;

const Identity alice{Kind::user, "alice@example.com"};

Charge charge(std::int64_t burst, std::int64_t cost, Group group = Group::enforced) {
  return {alice, "mailbox", {Unit::messages, burst, 1h, burst}, cost, group, {}};
}

Taken seen(const Charge& charge, std::int64_t used, std::int64_t nodes) {
  return {{used, 0, charge.limit.amount, charge.limit.burst, {}}, 0, nodes};
}

TEST_CASE("a cost is held against the store's bucket as it is, and against a share's as often as there are nodes") {
  struct {
    std::int64_t burst, used, cost, nodes;  // 0 nodes: the store's
    std::optional<Milliseconds> want;       // zero: it holds
  } const rows[] = {
      {100, 99, 1, 0, 0ms},
      {100, 100, 1, 0, 36s},
      {100, 0, 101, 0, {}},
      {100, 99, 1, 1, 0ms},     // one daemon has it all
      {100, 96, 1, 4, 0ms},     // 25 of 100: the last one
      {100, 97, 1, 4, 36s},     // and one more when another 1 is back
      {100, 100, 1, 4, 144s},   // a share gives 25 an hour
      {100, 0, 25, 4, 0ms},
      {100, 0, 26, 4, 0ms},     // above the share, and nothing is used: it passes
      {100, 0, 100, 4, 0ms},
      {100, 1, 26, 4, 36s},     // else it waits until nothing is
      {100, 0, 101, 4, {}},     // above the limit: never
      {3, 0, 1, 10, 0ms},       // a limit smaller than the number of nodes still gives one
      {3, 10, 1, 10, 12'000s},  // and then each node one in ten thirds of an hour
  };
  for (const auto& row : rows) {
    CAPTURE(row.used);
    CAPTURE(row.cost);
    CAPTURE(row.nodes);
    const auto one = charge(row.burst, row.cost);
    const auto taken = seen(one, row.used, row.nodes);
    CHECK(retry_after(one.limit, taken, one.cost) == row.want);
    CHECK(holds(one, taken) == (row.want == 0ms));
  }
}

TEST_CASE("enforced charges hold all or none, and observed ones only where the enforced do") {
  struct {
    std::vector<std::pair<Group, bool>> charges;  // and whether each holds by itself
    Holding want;
  } const rows[] = {
      {{}, {true, true}},
      {{{Group::enforced, true}, {Group::enforced, true}}, {true, true}},
      {{{Group::enforced, true}, {Group::enforced, false}}, {false, false}},
      {{{Group::enforced, true}, {Group::observed, false}}, {true, false}},
      {{{Group::observed, true}, {Group::observed, false}}, {true, false}},
      {{{Group::enforced, false}, {Group::observed, true}}, {false, false}},
      {{{Group::observed, true}}, {true, true}},
  };
  for (const auto& row : rows) {
    std::vector<Charge> charges;
    std::vector<Taken> taken;
    for (const auto& [group, holds_itself] : row.charges) {
      charges.push_back(charge(5, 1, group));
      taken.push_back(seen(charges.back(), holds_itself ? 0 : 5, 0));
    }
    const auto holding = holding_of(charges, taken);
    CHECK(holding == row.want);
    for (const auto& one : charges) CHECK(holding.takes(one) == (one.group == Group::enforced ? row.want.enforced : row.want.observed));
  }
}

}  // namespace
}  // namespace quota
