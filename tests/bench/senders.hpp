// Who sends next: uniform, in turn, or by Zipf's law (weight of rank k is 1/k^s), from a generator whose seed is fixed.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

namespace bench {

class Senders {
 public:
  Senders(std::uint64_t first, std::uint64_t count, double zipf, bool in_turn) : first_(first), count_(count), in_turn_(in_turn) {
    double sum = 0;
    if (zipf > 0)
      for (std::uint64_t rank = 1; rank <= count; ++rank) shares_.push_back(sum += std::pow(static_cast<double>(rank), -zipf));
  }

  [[nodiscard]] std::uint64_t next() {
    if (in_turn_) return first_ + turn_++ % count_;
    if (shares_.empty()) return first_ + random_() % count_;
    const double at = std::uniform_real_distribution<double>(0, shares_.back())(random_);
    const auto found = std::ranges::upper_bound(shares_, at);
    return first_ + std::min(count_ - 1, static_cast<std::uint64_t>(found - shares_.begin()));
  }

 private:
  const std::uint64_t first_;
  const std::uint64_t count_;
  const bool in_turn_;
  std::uint64_t turn_ = 0;
  std::vector<double> shares_;  // cumulated
  std::mt19937_64 random_{4711};
};

}  // namespace bench
