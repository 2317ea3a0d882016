#include "milter/metrics.hpp"

#include <prometheus/text_serializer.h>

#include <vector>

namespace milter {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = std::vector<ClientMetric::Label>;

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
  void counter(const char* name, const char* help, const Counters::Counter& from) { counter(name, help, static_cast<double>(from.load(std::memory_order_relaxed))); }
  void gauge(const char* name, const char* help, double number) {
    add(name, help, MetricType::Gauge);
    value(number);
  }
  [[nodiscard]] std::string text() const { return prometheus::TextSerializer().Serialize(all_); }

 private:
  std::vector<MetricFamily> all_;
};

/// A family with a value for each of an enumeration's names.
template <class Enumeration, class Array>
void add_each(Families& families, const char* name_of_family, const char* help, const char* label, const Array& counters) {
  families.add(name_of_family, help, MetricType::Counter);
  for (std::size_t i = 0; i < counters.size(); ++i)
    families.value(static_cast<double>(counters[i].load(std::memory_order_relaxed)), {{label, std::string(name(static_cast<Enumeration>(i)))}});
}

void add_mail(Families& families, const Counters& from) {
  add_each<quota::Action>(families, "messages_total", "Outgoing messages that were judged, by verdict.", "verdict", from.by_action);
  add_each<quota::Cause>(families, "causes_total", "All messages, by what decided.", "cause", from.by_cause);
  families.counter("recipients_total", "Recipients of messages that were let through.", from.recipients);
  families.counter("discarded_total", "Messages beyond hold.max that were thrown away.", from.discarded);
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
  families.counter("never_negotiated_total", "Connections that did not speak the milter protocol.", from.never_negotiated);
}

}  // namespace

std::string metrics_text(const Counters& counters, const MetricsState& state) {
  Families families;
  add_mail(families, counters);
  add_trouble(families, counters);
  families.counter("record_dropped_total", "Messages that are in no history.", static_cast<double>(state.record_dropped));
  families.counter("connections_total", "Connections of MTAs.", counters.connections);
  families.gauge("connections", "Connections of MTAs that are open.", static_cast<double>(counters.open_connections.load(std::memory_order_relaxed)));
  families.gauge("messages_in_flight", "Messages between MAIL and their end.", static_cast<double>(counters.messages_in_flight.load(std::memory_order_relaxed)));
  families.gauge("store_up", "1 while the store answers.", state.is_store_up ? 1 : 0);
  families.gauge("record_up", "1 while the record of who sent what is written.", state.is_record_up ? 1 : 0);
  families.gauge("blocked", "Senders that are blocked.", static_cast<double>(state.blocked));
  families.gauge("live_limits", "Live limits.", static_cast<double>(state.live_limits));
  families.gauge("nodes", "Daemons of the cluster that are alive.", static_cast<double>(state.nodes));
  families.gauge("start_time_seconds", "When the daemon started, in seconds since 1970.", static_cast<double>(state.started.time_since_epoch().count()) / 1000);
  families.add("build_info", "Version, and fingerprint of the configuration.", MetricType::Gauge);
  families.value(1, {{"version", state.version}, {"config", state.config}});
  return families.text();
}

}  // namespace milter
