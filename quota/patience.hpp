// Patience: how long one message waits for the store in all, however many questions it takes; and how long a person waits for one.
#pragma once

#include <chrono>

namespace quota {

/// While one lives, the questions that this thread asks a store have one deadline: the store's timeout from its begin, less what
/// the message has waited before. Adds what was waited to `waited` when it ends. Threads: of the one that made it; at most one at a
/// time there.
class Patience {
 public:
  using Clock = std::chrono::steady_clock;

  explicit Patience(Clock::duration& waited) : waited_(waited), began_(Clock::now()) { first_ = began_ - waited_; }
  ~Patience() {
    waited_ += Clock::now() - began_;
    first_ = {};
  }
  Patience(const Patience&) = delete;
  Patience& operator=(const Patience&) = delete;

  /// When the question that is asked now is to be taken as begun.
  [[nodiscard]] static Clock::time_point begin() { return first_ == Clock::time_point{} ? Clock::now() : first_; }

 private:
  Clock::duration& waited_;
  const Clock::time_point began_;
  static inline thread_local Clock::time_point first_{};
};

/// While one lives, no question that this thread asks a store is waited for longer than `at_most`, however long a message would wait.
/// Threads: of the one that made it; at most one at a time there.
class BriefPatience {
 public:
  using Clock = std::chrono::steady_clock;

  explicit BriefPatience(Clock::duration at_most = of_a_person) { most_ = at_most; }
  ~BriefPatience() { most_ = Clock::duration::max(); }
  BriefPatience(const BriefPatience&) = delete;
  BriefPatience& operator=(const BriefPatience&) = delete;

  /// Of the question that is asked now: the lesser of `timeout` and what this thread has.
  [[nodiscard]] static Clock::duration of(Clock::duration timeout) { return timeout < most_ ? timeout : most_; }

  /// Who asks is told within a second that there is no answer.
  static constexpr std::chrono::milliseconds of_a_person{700};

 private:
  static inline thread_local Clock::duration most_ = Clock::duration::max();
};

}  // namespace quota
