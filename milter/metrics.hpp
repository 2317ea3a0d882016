// Metrics: what /metrics tells Prometheus, from the counters. Never an identity: there are as many of them as senders.
#pragma once

#include <string>

#include "milter/counters.hpp"
#include "quota/units.hpp"

namespace milter {

/// What is not in the counters.
struct MetricsState {
  std::string version;
  std::string config;       ///< fingerprint
  quota::Timestamp started{};
  bool is_store_up = true;
  bool is_record_up = true;
  bool are_tables_up = true;
  bool is_state_kept = true;
  std::size_t evicting = 0;  ///< servers that throw data away when they are full
  std::size_t blocked = 0;
  std::size_t live_limits = 0;
  std::size_t limit_errors = 0;  ///< entries that cannot be understood
  std::size_t quotas = 0;
  std::size_t quotas_observed = 0;
  std::size_t nodes = 0;          ///< that are alive
  std::size_t nodes_counted = 0;  ///< within a day
  bool do_nodes_differ = false;
  std::uint64_t record_dropped = 0;
};

/// In Prometheus' text format, version 0.0.4.
[[nodiscard]] std::string metrics_text(const Counters& counters, const MetricsState& state);

}  // namespace milter
