#include "quota/patience.hpp"

#include <doctest/doctest.h>

using namespace quota;
using namespace std::chrono_literals;

namespace {

using Clock = Patience::Clock;

void wait(Clock::duration time) {
  for (const auto until = Clock::now() + time; Clock::now() < until;) {
  }
}

}  // namespace

TEST_CASE("a question that belongs to no message begins when it is asked") {
  const auto before = Clock::now();
  CHECK(Patience::begin() >= before);
  wait(1ms);
  CHECK(Patience::begin() >= before + 1ms);
}

TEST_CASE("who asks waits as long as a message does, and no longer than a person would") {
  CHECK(BriefPatience::of(5s) == 5s);
  {
    const BriefPatience patience;
    CHECK(BriefPatience::of(5s) == BriefPatience::of_a_person);
    CHECK(BriefPatience::of(100ms) == 100ms);
  }
  CHECK(BriefPatience::of(5s) == 5s);
}

TEST_CASE("all questions of a message begin with the first, and what it has waited before counts") {
  Clock::duration waited{};
  const auto before = Clock::now();
  {
    const Patience patience(waited);
    const auto first = Patience::begin();
    CHECK(first >= before);
    wait(5ms);
    CHECK(Patience::begin() == first);
  }
  CHECK(waited >= 5ms);
  const auto between = Clock::now();
  {
    const Patience patience(waited);
    CHECK(Patience::begin() >= between - waited);
    CHECK(Patience::begin() <= Clock::now() - 5ms);
  }
  CHECK(Patience::begin() >= between);
}
