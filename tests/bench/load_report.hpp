// The figures of one load: only messages that end while it measures count. One thread.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "tests/bench/line.hpp"
#include "tests/bench/load_options.hpp"

namespace bench {

class Report {
 public:
  explicit Report(const LoadOptions& options) : options_(options) {}

  void begin(Moment now);
  void end(Moment now);
  void add(const Done& done);
  /// Messages that never got an answer.
  void leftover(std::size_t messages) { leftover_ = messages; }

  /// One object: seconds, messages, per_second, verdicts (of the whole run), microseconds of the conversation and of the answer
  /// to the end of message (p50, p90, p99, max), CPU seconds of those watched, of the load, and of everything else.
  [[nodiscard]] std::string json() const;

 private:
  using Times = std::vector<std::uint32_t>;  // nanoseconds
  [[nodiscard]] static std::string quantiles(Times times);

  const LoadOptions& options_;
  bool measures_ = false;
  Moment begun_{};
  Moment ended_{};
  std::uint64_t leftover_ = 0;
  std::array<std::uint64_t, said_count> verdicts_{};
  Times whole_;
  Times answer_;
  std::vector<double> cpu_;  // of those watched: at the beginning, then spent
  double own_cpu_ = 0;
  double busy_ = 0;
};

}  // namespace bench
