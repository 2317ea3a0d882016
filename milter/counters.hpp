// Counters: what the daemon has done since it started, for `sendquota status` and later for /metrics. Never an identity.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "quota/verdict.hpp"

namespace milter {

/// Threads: any; every counter only grows, and is read without a common moment.
struct Counters {
  using Counter = std::atomic<std::uint64_t>;

  std::array<Counter, 4> by_action{};  ///< judged messages, by quota::Action
  std::array<Counter, 9> by_cause{};   ///< all messages, by quota::Cause
  Counter discarded{};                 ///< beyond the bottom of the hold queue
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
