// ManualClock: a clock that a test sets. It stands still otherwise.
#pragma once

#include <atomic>

#include "quota/store/clock.hpp"

namespace quota {

class ManualClock final : public Clock {
 public:
  explicit ManualClock(Timestamp start) : now_(start) {}

  [[nodiscard]] Timestamp now() const override { return now_.load(); }
  void set(Timestamp moment) { now_.store(moment); }
  void advance(Milliseconds by) { now_.store(now_.load() + by); }

 private:
  std::atomic<Timestamp> now_;
};

}  // namespace quota
