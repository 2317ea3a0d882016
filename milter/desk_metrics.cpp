// What the desk knows that Prometheus asks for, beside the counters.
#include "milter/desk.hpp"
#include "milter/fingerprint.hpp"
#include "milter/metrics.hpp"

namespace milter {

std::string Desk::metrics() {
  const auto config = tools_.config();
  const auto tables = tools_.keeper.tables();
  const auto record = tools_.book.health();
  const auto health = tools_.setup.health();
  const auto nodes = tools_.nodes.last();
  const auto at = now();
  const auto& quotas = config->policy->parts().quotas;
  const auto observed = std::count_if(quotas.begin(), quotas.end(),
                                      [&](const quota::Quota& one) { return config->policy->mode_of(one, *tables, at) == quota::Mode::observe; });
  return metrics_text(tools_.counters, {.version = SENDQUOTA_VERSION,
                                        .config = fingerprint_of(*config),
                                        .started = started_,
                                        .is_store_up = !health.bad_since,
                                        .is_record_up = record.error.empty(),
                                        .are_tables_up = health.tables_error.empty(),
                                        .is_state_kept = health.not_kept.empty(),
                                        .evicting = health.evicting.size(),
                                        .blocked = tables->count_blocks(at),
                                        .live_limits = tables->count_overrides(at),
                                        .limit_errors = tables->override_errors.size(),
                                        .quotas = quotas.size(),
                                        .quotas_observed = static_cast<std::size_t>(observed),
                                        .nodes = nodes.alive(),
                                        .nodes_counted = nodes.count(),
                                        .do_nodes_differ = nodes.has_odd(),
                                        .record_dropped = record.dropped + tools_.counters.unrecorded.load(std::memory_order_relaxed)});
}

}  // namespace milter
