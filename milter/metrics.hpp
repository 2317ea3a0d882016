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
  std::size_t blocked = 0;
  std::size_t live_limits = 0;
  std::size_t nodes = 0;    ///< that are alive
  std::uint64_t record_dropped = 0;
};

/// In Prometheus' text format, version 0.0.4.
[[nodiscard]] std::string metrics_text(const Counters& counters, const MetricsState& state);

}  // namespace milter
