#include "quota/store/tables_clock.hpp"

#include <doctest/doctest.h>

namespace quota {
namespace {

using namespace std::chrono_literals;
using News = TablesClock::News;

constexpr Timestamp noon{Milliseconds{1'763'812'800'000}};
constexpr TablesClock::Moment begin{24h};

struct Step {
  Milliseconds after;  // that passed since `begin`
  Milliseconds off;    // of the server's clock
  News want;
  Milliseconds want_off;
};

void play(std::initializer_list<Step> steps) {
  TablesClock clock(10min);
  for (const auto& step : steps) {
    CAPTURE(step.after.count());
    CHECK(clock.learn(noon + step.after + step.off, begin + step.after) == step.want);
    CHECK(clock.at(begin + step.after + 5s) == noon + step.after + 5s + step.want_off);
  }
}

}  // namespace

TEST_CASE("the clock of the tables is their server's, and runs on by the host's between two readings") {
  CHECK_FALSE(TablesClock(10min).at(begin));
  play({{0s, 0s, News::none, 0s},
        {10s, 30s, News::none, 30s},        // corrected: no jump
        {20s, -1s, News::none, -1s},
        {30s, -1h, News::none, -1h},        // a step back only makes blocks last
        {8h, -1h, News::none, -1h}});       // not read for hours: nothing has jumped
}

TEST_CASE("a server whose clock jumps ahead is not followed until it is back, or has stayed there") {
  play({{0s, 0s, News::none, 0s},
        {10s, 1h, News::jumped, 0s},
        {20s, 1h, News::none, 0s},
        {10min + 9s, 2h, News::none, 0s},
        {10min + 10s, 1h, News::believed, 1h},
        {10min + 20s, 1h, News::none, 1h},
        {10min + 30s, 2h, News::jumped, 1h},
        {10min + 40s, 1h + 2s, News::came_back, 1h + 2s},
        {21min, 2h, News::jumped, 1h + 2s},  // the time begins anew
        {30min, 2h, News::none, 1h + 2s},
        {31min, 2h, News::believed, 2h}});
}

TEST_CASE("a clock that is back from a step back is believed as late as one that jumped, and no later") {
  play({{0s, 0s, News::none, 0s}, {10s, -1h, News::none, -1h}, {20s, 0s, News::jumped, -1h}, {10min + 20s, 0s, News::believed, 0s}});
}

TEST_CASE("who starts after a jump has nothing to compare it with") { play({{0s, 1h, News::none, 1h}}); }

}  // namespace quota
