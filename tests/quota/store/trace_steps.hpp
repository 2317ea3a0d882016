// The steps of a random trace: what may happen to a store, in the proportions that find mistakes.
#pragma once

#include <random>
#include <variant>

#include "quota/store.hpp"

namespace quota::test {

struct MoveClock { Milliseconds by; };
struct AskTake { std::vector<Charge> charges; };
struct AskPeek { std::vector<Charge> charges; };
struct AskHold { Identity identity; std::string host; std::int64_t most; };
struct CountRefusals { std::vector<RefusalBatch> batches; };
struct MarkBlocked { Identity identity; BlockMark mark; };
struct Release { Identity identity; std::string block; };
struct Refill { Identity identity; };

using TraceStep = std::variant<MoveClock, AskTake, AskPeek, AskHold, CountRefusals, MarkBlocked, Release, Refill>;

/// Whoever may be charged in a trace: few, so that they meet often.
[[nodiscard]] const std::vector<Identity>& trace_identities();

class TraceSource {
 public:
  explicit TraceSource(std::uint64_t seed) : random_(seed) {}

  /// Moments within are near `now`.
  [[nodiscard]] TraceStep next(Timestamp now);

 private:
  [[nodiscard]] std::int64_t below(std::int64_t bound) { return static_cast<std::int64_t>(random_() % static_cast<std::uint64_t>(bound)); }
  [[nodiscard]] Identity identity();
  [[nodiscard]] Milliseconds clock_move();
  [[nodiscard]] std::int64_t cost(const Limit& limit);
  [[nodiscard]] std::vector<Charge> charges();
  [[nodiscard]] BlockMark mark(Timestamp now);

  std::mt19937_64 random_;
};

[[nodiscard]] std::string described(const TraceStep& step);

}  // namespace quota::test
