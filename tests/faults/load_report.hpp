// What a load saw: one line per message in a trace file, which is the whole truth, and a summary in JSON of what is not about
// one message. Times are seconds of the machine's monotonic clock, the same as Python's time.monotonic().
#pragma once

#include <cstdio>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "tests/faults/load_connection.hpp"

namespace faults {

[[nodiscard]] double seconds(Moment moment);

/// Oversleeps of a thread that only wants to sleep a millisecond: how long this machine keeps everybody waiting, whatever
/// is tested. Threads: its own, and whoever asks.
struct Oversleep {
  Moment at{};
  Nanoseconds by{};
};

class Report {
 public:
  /// Errors: none; a trace that cannot be opened shows as one without lines, and ok() says so.
  explicit Report(const std::string& trace);
  [[nodiscard]] bool ok() const { return trace_ != nullptr; }

  /// `BEGAN ENDED WAITED_MS LONGEST_WAIT_MS GROUP SENDER CONNECTION FATE CODE STAGE`, FATE `lost` for a message without an answer.
  void add(const Plan& plan, const Fact& fact);
  void drop(const Connection& connection);
  void note(Oversleep oversleep);

  /// The summary; closes the trace.
  [[nodiscard]] std::string json(const Plan& plan, const std::vector<std::unique_ptr<Connection>>& connections);

 private:
  struct Drop {
    Moment at{};
    std::size_t connection = 0;
    std::string why;
  };

  Moment began_ = Clock::now();
  std::FILE* trace_ = nullptr;
  std::uint64_t messages_ = 0;
  std::uint64_t lost_ = 0;
  std::vector<Drop> drops_;
  std::map<std::string, std::uint64_t> replies_;  // by text, each number in it replaced
  std::mutex mutex_;
  std::vector<Oversleep> oversleeps_;  // guarded by mutex_
};

}  // namespace faults
