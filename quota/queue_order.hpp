// QueueOrder: what an administrator wants done with one sender's mail in the queues of all hosts. It waits in the store until each host
// has carried it out, for a host may be down. Values and their texts (words with tabs between, quota/tab_text.hpp). Pure.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "quota/history.hpp"

namespace quota {

[[nodiscard]] std::string_view name(Fate fate);  ///< sent, refused, held
[[nodiscard]] std::optional<Fate> fate_called(std::string_view name);

enum class QueueAct : std::uint8_t { send, remove, hold };
[[nodiscard]] std::string_view name(QueueAct act);  ///< send, delete, hold
[[nodiscard]] std::optional<QueueAct> queue_act_called(std::string_view name);

struct QueueOrder {
  std::string id{};
  std::string identity{};     ///< `kind:value`
  Fate fate = Fate::held;     ///< which mail: what is held, or what was let through (`sent`)
  QueueAct act = QueueAct::send;
  bool with_bounces = false;  ///< the non-delivery notices of that mail as well
  bool at_once = false;       ///< send: not at the sender's own rate
  Timestamp at{};             ///< mail that was judged later is not meant; only whole seconds are kept
  std::string by{};
  std::string reason{};
  std::vector<std::string> hosts{};  ///< that mail is recorded of

  bool operator==(const QueueOrder&) const = default;
};

/// How far one host has come.
struct OrderReport {
  enum class State : std::uint8_t { running, done, failed };
  static constexpr std::size_t most_skipped = 100;

  State state = State::running;
  Timestamp at{};              ///< when it was written
  std::int64_t total = 0;      ///< messages that are meant
  std::int64_t done = 0;       ///< sent, removed, held
  std::int64_t gone = 0;       ///< not in the queue any more
  std::int64_t skipped = 0;    ///< another message has the id by now, or it cannot be told
  std::int64_t bounces = 0;    ///< non-delivery notices that were removed, or held
  std::string error{};
  std::vector<std::string> skips{};  ///< the first most_skipped of them: `ID: why`

  bool operator==(const OrderReport&) const = default;
};
[[nodiscard]] std::string_view name(OrderReport::State state);
[[nodiscard]] std::optional<OrderReport::State> order_state_called(std::string_view name);

struct OrderStatus {
  QueueOrder order{};
  std::map<std::string, OrderReport> reports{};  ///< by host

  [[nodiscard]] bool is_over_on(const std::string& host) const;
  /// Every host that was to has ended it.
  [[nodiscard]] bool is_over() const;
};

/// By what a host asks for its orders: 1 to 255 letters, digits and . - _ : [ ]
[[nodiscard]] bool is_host_name(std::string_view text);
inline constexpr std::size_t most_hosts_of_order = 256;

/// The order that took the place of another: the latest about the same mail, by the time it was given and then by its id, so that of two
/// that were given at once every host and daemon takes the same. Null: it stands.
[[nodiscard]] const QueueOrder* replacement_of(const QueueOrder& order, std::span<const OrderStatus> all);
/// What a host is said to have done of an order that was replaced before it had ended it.
[[nodiscard]] OrderReport replaced_report(const OrderStatus& status, const std::string& host, const QueueOrder& by);

/// What is kept of a report where `known` is what the host said before. What has ended stays as it ended; but a host that was at work
/// while its order was replaced, and so failed, tells afterwards how far it had come: of that report the counts are taken over. Empty:
/// the report counts for nothing.
[[nodiscard]] std::optional<OrderReport> merged(const OrderReport& known, const OrderReport& next);

/// How long an order waits for its hosts, how long one that is over is told of, and how many there may be of each.
inline constexpr Milliseconds order_kept_for = std::chrono::days{30};
inline constexpr Milliseconds ended_order_kept_for = std::chrono::days{1};
inline constexpr std::size_t most_orders = 1000;
inline constexpr std::size_t most_ended_orders = 1000;

[[nodiscard]] std::string format(const QueueOrder& order);
[[nodiscard]] std::optional<QueueOrder> parse_queue_order(std::string_view id, std::string_view text);
[[nodiscard]] std::string format(const OrderReport& report);
[[nodiscard]] std::optional<OrderReport> parse_order_report(std::string_view text);

/// Takes out what need not be told of any longer: what has waited or been over for so long, and of what is over all but the latest
/// most_ended_orders. `orders` are the oldest first afterwards. Returns the ids of what was taken out.
[[nodiscard]] std::vector<std::string> drop_passed(std::vector<OrderStatus>& orders, Timestamp now);

}  // namespace quota
