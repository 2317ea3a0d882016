#include "milter/metrics.hpp"

#include <prometheus/text_serializer.h>

#include <limits>
#include <vector>

namespace milter {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = std::vector<ClientMetric::Label>;

double seconds(Durations::Microseconds duration) { return static_cast<double>(duration.count()) / 1'000'000; }

class Families {
 public:
  void add(const char* name, const char* help, MetricType type) { all_.push_back({std::string("sendquota_") + name, help, type, {}}); }
  /// To the last that was added.
  void value(double number, Labels labels = {}) {
    ClientMetric metric;
    metric.label = std::move(labels);
    (all_.back().type == MetricType::Counter ? metric.counter.value : metric.gauge.value) = number;
    all_.back().metric.push_back(std::move(metric));
  }
  void counter(const char* name, const char* help, double number) {
    add(name, help, MetricType::Counter);
    value(number);
  }
  /// A value for each of `from`, labelled by its place.
  template <class Array, class NameAt>
  void counters(const char* name, const char* help, const char* label, const Array& from, NameAt name_at) {
    add(name, help, MetricType::Counter);
    for (std::size_t place = 0; place < from.size(); ++place)
      value(static_cast<double>(from[place].load(std::memory_order_relaxed)), {{label, name_at(place)}});
  }
  void counter(const char* name, const char* help, const Counters::Counter& from) { counter(name, help, static_cast<double>(from.load(std::memory_order_relaxed))); }
  void histogram(const char* name, const char* help, const Durations& from) {
    add(name, help, MetricType::Histogram);
    ClientMetric metric;
    auto& into = metric.histogram;
    for (std::size_t place = 0; place <= Durations::bounds.size(); ++place) {
      into.sample_count += from.count(place);
      const bool is_bound = place < Durations::bounds.size();
      into.bucket.push_back({into.sample_count, is_bound ? seconds(Durations::bounds[place]) : std::numeric_limits<double>::infinity()});
    }
    into.sample_sum = seconds(from.sum());
    all_.back().metric.push_back(std::move(metric));
  }
  void gauge(const char* name, const char* help, double number) {
    add(name, help, MetricType::Gauge);
    value(number);
  }
  [[nodiscard]] std::string text() const { return prometheus::TextSerializer().Serialize(all_); }

 private:
  std::vector<MetricFamily> all_;
};

/// The text of an enumeration's value, by its place.
template <class Enumeration>
std::string name_at(std::size_t place) {
  return std::string(name(static_cast<Enumeration>(place)));
}

std::string event_at(std::size_t place) { return place < event_names.size() ? std::string(event_names[place]) : "other"; }

void add_mail(Families& families, const Counters& from) {
  families.counters("messages_total", "Outgoing messages that were judged, by verdict.", "verdict", from.by_action, name_at<quota::Action>);
  families.value(static_cast<double>(from.discarded.load(std::memory_order_relaxed)), {{"verdict", "discard"}});
  families.counters("causes_total", "All messages, by what decided.", "cause", from.by_cause, name_at<quota::Cause>);
  families.counter("recipients_total", "Recipients of messages that were let through.", from.recipients);
  families.counter("held_near_bottom_total", "Messages held, or not held any more, where over four fifths of hold.max were held already.", from.near_bottom);
  families.counter("observed_total", "Messages that would have been refused, had every quota been enforced.", from.observed);
  families.counter("refused_early_total", "Messages refused at MAIL or RCPT, before they were uploaded.", from.refused_early);
  families.counter("abandoned_total", "Outgoing messages that ended before their end.", from.abandoned);
}

void add_trouble(Families& families, const Counters& from) {
  families.counter("store_errors_total", "Messages that store.on_failure decided.", from.store_errors);
  families.counter("judged_by_share_total", "Messages judged by this daemon's share, while the store had no answer.", from.judged_by_share);
  families.counter("quarantine_failed_total", "Messages that the MTA did not hold.", from.quarantine_failed);
  families.counter("events_dropped_total", "Events that the store did not take.", from.events_dropped);
  families.counter("notifications_total", "Incidents that notify.command took.", from.notifications);
  families.counter("notifications_failed_total", "Attempts of notify.command that failed.", from.notifications_failed);
  families.counter("php_headers_ignored_total", "PHP headers from where none is believed.", from.php_headers_ignored);
  families.counter("php_headers_malformed_total", "PHP headers that are none.", from.php_headers_malformed);
  families.counter("php_evaluated_total", "Messages of eval()'d code.", from.php_evaluated);
  families.counter("scripts_over_bound_total", "Messages charged as +others.", from.scripts_over_bound);
  families.counter("without_login_total", "Authenticated messages without {auth_authen}.", from.without_login);
  families.counter("not_negotiated_total", "Messages judged without an event that a reload made necessary.", from.not_negotiated);
  families.counter("php_headers_repeated_total", "PHP headers after a message's first.", from.php_headers_repeated);
  families.counter("never_negotiated_total", "Connections that did not speak the milter protocol.", from.never_negotiated);
}

void add_state(Families& families, const MetricsState& state) {
  const auto number = [](std::size_t count) { return static_cast<double>(count); };
  families.gauge("store_up", "1 while the store answers.", state.is_store_up ? 1 : 0);
  families.gauge("tables_up", "1 while the live tables (blocks, limits, accounts) can be read.", state.are_tables_up ? 1 : 0);
  families.gauge("record_up", "1 while the record of who sent what is written.", state.is_record_up ? 1 : 0);
  families.gauge("state_kept", "1 while store.state_dir keeps what must outlive the daemon.", state.is_state_kept ? 1 : 0);
  families.gauge("redis_evicting", "Redis servers whose maxmemory-policy may throw quotas away.", number(state.evicting));
  families.gauge("blocked", "Senders that are blocked.", number(state.blocked));
  families.gauge("live_limits", "Live limits.", number(state.live_limits));
  families.gauge("live_limit_errors", "Entries of the table of live limits that cannot be understood.", number(state.limit_errors));
  families.gauge("quotas", "Quotas of the configuration.", number(state.quotas));
  families.gauge("quotas_observed", "Quotas that only observe, by configuration or live mode.", number(state.quotas_observed));
  families.gauge("nodes", "Daemons of the cluster that are alive.", number(state.nodes));
  families.gauge("nodes_counted", "Daemons of the cluster that were seen within a day.", number(state.nodes_counted));
  families.gauge("nodes_differ", "1 while daemons of the cluster run with different configurations.", state.do_nodes_differ ? 1 : 0);
}

}  // namespace

std::string metrics_text(const Counters& counters, const MetricsState& state) {
  Families families;
  add_mail(families, counters);
  add_trouble(families, counters);
  families.counters("events_total", "Events that this daemon wrote for the whole cluster, by name.", "event", counters.events, event_at);
  families.counter("record_dropped_total", "Messages that are in no history.", static_cast<double>(state.record_dropped));
  families.counter("connections_total", "Connections of MTAs.", counters.connections);
  families.gauge("connections", "Connections of MTAs that are open.", static_cast<double>(counters.open_connections.load(std::memory_order_relaxed)));
  families.histogram("store_wait_seconds", "How long messages waited for the store, those that it was asked about.", counters.waits);
  families.gauge("messages_in_flight", "Messages between MAIL and their end.", static_cast<double>(counters.messages_in_flight.load(std::memory_order_relaxed)));
  add_state(families, state);
  families.gauge("start_time_seconds", "When the daemon started, in seconds since 1970.", static_cast<double>(state.started.time_since_epoch().count()) / 1000);
  families.add("build_info", "Version, and fingerprint of the configuration.", MetricType::Gauge);
  families.value(1, {{"version", state.version}, {"config", state.config}});
  return families.text();
}

}  // namespace milter
