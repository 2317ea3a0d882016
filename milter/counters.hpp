// Counters: what the daemon has done since it started, for `sendquota status` and later for /metrics. Never an identity.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>

#include "milter/event_names.hpp"
#include "quota/verdict.hpp"

namespace milter {

/// How long something took, by upper bounds, so that a share that took longer can be told. Threads: any.
class Durations {
 public:
  using Microseconds = std::chrono::microseconds;
  static constexpr std::array<Microseconds, 12> bounds{Microseconds{250},    Microseconds{500},     Microseconds{1'000},   Microseconds{2'500},
                                                       Microseconds{5'000},  Microseconds{10'000},  Microseconds{25'000},  Microseconds{50'000},
                                                       Microseconds{100'000}, Microseconds{250'000}, Microseconds{1'000'000}, Microseconds{10'000'000}};
  void add(Microseconds took) {
    const auto place = std::lower_bound(bounds.begin(), bounds.end(), took) - bounds.begin();
    counts_[static_cast<std::size_t>(place)].fetch_add(1, std::memory_order_relaxed);
    sum_us_.fetch_add(static_cast<std::uint64_t>(took.count()), std::memory_order_relaxed);
  }
  /// Of those within the bound of that place that are not within the one before; the last place has none.
  [[nodiscard]] std::uint64_t count(std::size_t place) const { return counts_[place].load(std::memory_order_relaxed); }
  [[nodiscard]] Microseconds sum() const { return Microseconds{sum_us_.load(std::memory_order_relaxed)}; }

 private:
  std::array<std::atomic<std::uint64_t>, bounds.size() + 1> counts_{};
  std::atomic<std::uint64_t> sum_us_{};
};

/// Threads: any; every counter only grows, and is read without a common moment.
struct Counters {
  using Counter = std::atomic<std::uint64_t>;

  std::array<Counter, 4> by_action{};  ///< judged messages, by quota::Action; without those that were discarded
  std::array<Counter, 9> by_cause{};   ///< all messages, by quota::Cause
  Counter discarded{};                 ///< beyond the bottom of the hold queue
  Counter near_bottom{};               ///< held where more than four fifths of hold.max were held already
  Durations waits{};                   ///< of messages that the store was asked about, for its answers
  std::array<Counter, event_names.size() + 1> events{};  ///< that this daemon wrote, by name; the last: all others
  Counter observed{};                  ///< would have failed, had every quota been enforced
  Counter recipients{};                ///< of messages that were let through
  Counter refused_early{};             ///< at MAIL or RCPT, before anything was uploaded
  Counter store_errors{};              ///< messages that on_failure = "accept" or "tempfail" decided
  Counter judged_by_share{};           ///< messages that this daemon's shares judged, wholly or in part
  Counter php_headers_ignored{};       ///< from somebody who is not believed
  Counter php_headers_repeated{};
  Counter php_headers_malformed{};
  Counter php_evaluated{};             ///< scripts that ran from eval()
  Counter scripts_over_bound{};        ///< charged to their uid's collective script
  Counter without_login{};             ///< {auth_type} without {auth_authen}: the MTA's macros are wrong
  Counter not_negotiated{};            ///< a header or size that a reload made necessary, on an older connection
  Counter quarantine_failed{};
  Counter events_dropped{};
  Counter notifications{};         // that notify.command took
  Counter notifications_failed{};  // and that it did not
  Counter unrecorded{};  // there was no memory to record them
  Counter never_negotiated{};          ///< connections that ended before they spoke the milter protocol: port checks, garbage
  Counter abandoned{};                 ///< outgoing messages that ended before their end: RSET, a client or an MTA that went away
  Counter connections{};
  std::atomic<std::int64_t> open_connections{};
  std::atomic<std::int64_t> messages_in_flight{};
};

}  // namespace milter
