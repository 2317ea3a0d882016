// Backoff: when the next attempt may be made, after some have failed in a row.
// The pause doubles from `first` to `most`; each is shortened by up to a half at random, so that the daemons of a
// cluster do not come back all at once. One success ends it.
#pragma once

#include <algorithm>
#include <chrono>
#include <random>

namespace quota {

class Backoff {
 public:
  using Time = std::chrono::steady_clock::time_point;

  Backoff(std::chrono::milliseconds first, std::chrono::milliseconds most, unsigned seed)
      : first_(first), most_(most), next_pause_(first), random_(seed) {}

  void failed(Time now) {
    const std::chrono::duration<double, std::milli> whole = next_pause_;
    const auto pause = whole * std::uniform_real_distribution<>(0.5, 1.0)(random_);
    until_ = now + std::chrono::duration_cast<Time::duration>(pause);
    next_pause_ = std::min(next_pause_ * 2, most_);
    failing_ = true;
  }

  void succeeded() {
    failing_ = false;
    next_pause_ = first_;
  }

  [[nodiscard]] bool failing() const { return failing_; }
  [[nodiscard]] bool may_try(Time now) const { return !failing_ || now >= until_; }

 private:
  // Constant after construction.
  std::chrono::milliseconds first_;
  std::chrono::milliseconds most_;

  std::chrono::milliseconds next_pause_;
  std::minstd_rand random_;
  Time until_{};
  bool failing_ = false;
};

}  // namespace quota
