// Random traces: the same seed played on any store and on the plainest one imaginable, a map of Records and the arithmetic of
// token_bucket.hpp. Every answer, and every record after every step, must be equal.
#pragma once

#include <string>

#include "tests/quota/store/fixture.hpp"

namespace quota::test {

/// Plays `steps` random steps. Returns a description of the first difference; empty where there was none.
[[nodiscard]] std::string first_difference(StoreFixture& fixture, std::uint64_t seed, std::size_t steps);

}  // namespace quota::test
