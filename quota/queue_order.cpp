#include "quota/queue_order.hpp"

#include <algorithm>
#include <array>
#include <set>
#include <tuple>

#include "quota/tab_text.hpp"
#include "quota/text.hpp"

namespace quota {
namespace {

constexpr std::array<std::string_view, 3> act_names{"send", "delete", "hold"};
constexpr std::array<std::string_view, 3> state_names{"running", "done", "failed"};
constexpr std::array<std::string_view, fates> fate_names{"sent", "refused", "held"};
constexpr std::size_t words_before_hosts = 8;
constexpr std::size_t words_before_skips = 8;

template <typename T, std::size_t n>
std::optional<T> called(const std::array<std::string_view, n>& names, std::string_view name) {
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end()) return std::nullopt;
  return static_cast<T>(found - names.begin());
}

std::int64_t seconds(Timestamp at) { return std::chrono::floor<std::chrono::seconds>(at.time_since_epoch()).count(); }

std::string yes_no(bool truth) { return truth ? "1" : "0"; }

bool is_earlier(const QueueOrder& one, const QueueOrder& other) { return std::tie(one.at, one.id) < std::tie(other.at, other.id); }

/// Has waited, or been over, for as long as it is told of.
bool is_passed(const OrderStatus& status, Timestamp now) {
  if (status.order.at < now - order_kept_for) return true;
  auto last = status.order.at;
  for (const auto& [host, report] : status.reports) last = std::max(last, report.at);
  return status.is_over() && last < now - ended_order_kept_for;
}

}  // namespace

bool is_host_name(std::string_view text) {
  return !text.empty() && text.size() <= 255 &&
         text.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_:[]") == std::string_view::npos;
}

std::string_view name(Fate fate) { return fate_names[static_cast<std::size_t>(fate)]; }
std::optional<Fate> fate_called(std::string_view name) { return called<Fate>(fate_names, name); }
std::string_view name(QueueAct act) { return act_names[static_cast<std::size_t>(act)]; }
std::optional<QueueAct> queue_act_called(std::string_view name) { return called<QueueAct>(act_names, name); }
std::string_view name(OrderReport::State state) { return state_names[static_cast<std::size_t>(state)]; }
std::optional<OrderReport::State> order_state_called(std::string_view name) { return called<OrderReport::State>(state_names, name); }

bool OrderStatus::is_over_on(const std::string& host) const {
  const auto found = reports.find(host);
  return found != reports.end() && found->second.state != OrderReport::State::running;
}

bool OrderStatus::is_over() const {
  return std::all_of(order.hosts.begin(), order.hosts.end(), [this](const std::string& host) { return is_over_on(host); });
}

const QueueOrder* replacement_of(const QueueOrder& order, std::span<const OrderStatus> all) {
  const auto* latest = &order;
  for (const auto& other : all)
    if (other.order.identity == order.identity && other.order.fate == order.fate && is_earlier(*latest, other.order)) latest = &other.order;
  return latest == &order ? nullptr : latest;
}

OrderReport replaced_report(const OrderStatus& status, const std::string& host, const QueueOrder& by) {
  const auto known = status.reports.find(host);
  auto report = known == status.reports.end() ? OrderReport{} : known->second;
  report.state = OrderReport::State::failed;
  report.at = by.at;
  report.error = "replaced by the order " + by.id;
  return report;
}

std::optional<OrderReport> merged(const OrderReport& known, const OrderReport& next) {
  using State = OrderReport::State;
  if (known.state == State::running) return next;
  if (known.state == State::done || next.state == State::running) return std::nullopt;
  auto both = next;
  both.state = known.state;
  both.error = known.error;
  return both;
}

std::string format(const QueueOrder& order) {
  std::vector<std::string> words{std::to_string(seconds(order.at)), order.identity, std::string(name(order.fate)),
                                 std::string(name(order.act)), yes_no(order.with_bounces), yes_no(order.at_once), order.by, order.reason};
  words.insert(words.end(), order.hosts.begin(), order.hosts.end());
  return joined_words(words);
}

std::optional<QueueOrder> parse_queue_order(std::string_view id, std::string_view text) {
  const auto words = split_words(text);
  if (words.size() < words_before_hosts) return std::nullopt;
  const auto fate = fate_called(words[2]);
  const auto act = queue_act_called(words[3]);
  const auto at = moment_of_message(text);
  if (!fate || !act || at == Timestamp{}) return std::nullopt;
  return QueueOrder{std::string(id), words[1], *fate, *act, words[4] == "1", words[5] == "1", at, words[6], words[7],
                    {words.begin() + words_before_hosts, words.end()}};
}

std::string format(const OrderReport& report) {
  std::vector<std::string> words{std::to_string(seconds(report.at)), std::string(name(report.state))};
  for (const auto number : {report.total, report.done, report.gone, report.skipped, report.bounces}) words.push_back(std::to_string(number));
  words.push_back(report.error);
  words.insert(words.end(), report.skips.begin(), report.skips.begin() + static_cast<std::ptrdiff_t>(std::min(report.skips.size(), OrderReport::most_skipped)));
  return joined_words(words);
}

std::optional<OrderReport> parse_order_report(std::string_view text) {
  const auto words = split_words(text);
  if (words.size() < words_before_skips) return std::nullopt;
  const auto state = order_state_called(words[1]);
  const auto at = moment_of_message(text);
  if (!state || at == Timestamp{}) return std::nullopt;
  OrderReport report{.state = *state, .at = at, .error = words[7], .skips = {words.begin() + words_before_skips, words.end()}};
  std::size_t word = 2;
  for (auto* const into : {&report.total, &report.done, &report.gone, &report.skipped, &report.bounces}) {
    const auto number = parse_number(words[word++]);
    if (!number) return std::nullopt;
    *into = *number;
  }
  return report;
}

std::vector<std::string> drop_passed(std::vector<OrderStatus>& orders, Timestamp now) {
  std::sort(orders.begin(), orders.end(), [](const OrderStatus& one, const OrderStatus& other) { return is_earlier(one.order, other.order); });
  std::vector<std::string> dropped;
  std::size_t over = 0;
  // From the latest: it is the oldest that are too many.
  for (auto status = orders.rbegin(); status != orders.rend(); ++status) {
    if (is_passed(*status, now) || (status->is_over() && ++over > most_ended_orders)) dropped.push_back(status->order.id);
  }
  const std::set<std::string_view> gone(dropped.begin(), dropped.end());
  std::erase_if(orders, [&gone](const OrderStatus& status) { return gone.contains(status.order.id); });
  return dropped;
}

}  // namespace quota
