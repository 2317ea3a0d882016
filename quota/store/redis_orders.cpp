// What RedisShelves knows of hosts, and of what is ordered of them.
#include <algorithm>

#include "quota/store/redis_shelves.hpp"
#include "quota/text.hpp"

namespace quota {
namespace {

/// Orders are read in pieces of about so many, so that no answer is too long, and neither are all: many times what may be there.
constexpr const char* read_at_once = "50";
constexpr std::size_t most_read = 8000;

}  // namespace

Result<void, StoreError> RedisShelves::see_host(const std::string& host) {
  const auto key = context_.key("queue-hosts");
  const auto now = now_();
  for (const auto& answer : ask_all({{"ZADD", key, std::to_string(now.time_since_epoch().count()), host},
                                     {"ZREMRANGEBYRANK", key, "0", std::to_string(-static_cast<std::int64_t>(Archive::most_hosts_seen) - 1)},
                                     {"PEXPIRE", key, std::to_string(Archive::host_seen_for.count())}}))
    if (!answer) return answer.error();
  return {};
}

Result<std::vector<std::string>, StoreError> RedisShelves::hosts_seen() {
  const auto reply = ask({"ZREVRANGE", context_.key("queue-hosts"), "0", std::to_string(Archive::most_hosts_seen - 1), "WITHSCORES"});
  if (!reply) return reply.error();
  const auto oldest = (now_() - Archive::host_seen_for).time_since_epoch().count();
  std::vector<std::string> hosts;
  for (std::size_t i = 0; i + 1 < reply->size(); i += 2)
    if (parse_number((*reply)[i + 1].text().value_or("")).value_or(0) >= oldest) hosts.emplace_back((*reply)[i].text().value_or(""));
  return hosts;
}

Result<bool, StoreError> RedisShelves::give(const QueueOrder& order) {
  const auto known = orders();
  if (!known) return known.error();
  if (std::count_if(known->begin(), known->end(), [](const OrderStatus& one) { return !one.is_over(); }) >= static_cast<std::ptrdiff_t>(most_orders)) return false;
  const auto key = context_.key("orders");
  if (const auto given = ask({"HSET", key, order.id, format(order)}); !given) return given.error();
  if (const auto kept = ask({"PEXPIRE", key, std::to_string(order_kept_for.count())}); !kept) return kept.error();
  return true;
}

/// What is not to be told of is taken out whenever there is much, so that where there is no time for all, there is less the next time.
Result<std::vector<OrderStatus>, StoreError> RedisShelves::orders() {
  const auto until = patience_ends();
  std::vector<OrderStatus> known;
  std::set<std::string> ids;  // a hash that grows meanwhile may hand one out twice
  std::string cursor = "0";
  std::size_t read = 0;
  do {
    const auto piece = ask({"HSCAN", context_.key("orders"), cursor, "COUNT", read_at_once}, until);
    if (!piece) return piece.error();
    if (piece->size() != 2) return StoreError{StoreErrorKind::nonsense, Executed::possibly, "the store hands out no orders"};
    cursor = (*piece)[0].text().value_or("0");
    read += (*piece)[1].size() / 2;
    if (const auto problem = read_orders((*piece)[1], ids, known, until)) return *problem;
    if (known.size() < most_orders + 2 * most_ended_orders) continue;
    if (const auto problem = forget_passed(known, until)) return *problem;
  } while (cursor != "0" && read < most_read);
  if (const auto problem = forget_passed(known, until)) return *problem;
  return known;
}

std::optional<StoreError> RedisShelves::read_orders(const ReplyView& fields, std::set<std::string>& ids, std::vector<OrderStatus>& known, SteadyMoment until) {
  const auto before = known.size();
  std::vector<Words> questions;
  for (std::size_t i = 0; i + 1 < fields.size(); i += 2) {
    auto order = parse_queue_order(fields[i].text().value_or(""), fields[i + 1].text().value_or(""));
    if (!order || !ids.insert(order->id).second) continue;
    questions.push_back({"HGETALL", context_.key("order:" + order->id)});
    known.push_back({std::move(*order)});
  }
  const auto answers = ask_all(questions, until);
  for (std::size_t n = 0; n < answers.size(); ++n) {
    if (!answers[n]) return answers[n].error();
    const auto& reports = *answers[n];
    for (std::size_t i = 0; i + 1 < reports.size(); i += 2)
      if (auto report = parse_order_report(reports[i + 1].text().value_or("")))
        known[before + n].reports.emplace(reports[i].text().value_or(""), std::move(*report));
  }
  return std::nullopt;
}

std::optional<StoreError> RedisShelves::forget_passed(std::vector<OrderStatus>& known, SteadyMoment until) {
  std::vector<Words> questions;
  for (const auto& id : drop_passed(known, now_())) {
    questions.push_back({"HDEL", context_.key("orders"), id});
    questions.push_back({"DEL", context_.key("order:" + id)});
  }
  for (const auto& answer : ask_all(questions, until))
    if (!answer) return answer.error();
  return std::nullopt;
}

Result<std::optional<OrderReport>, StoreError> RedisShelves::report(const std::string& order, const std::string& host, const OrderReport& report) {
  const auto known = ask({"HEXISTS", context_.key("orders"), order});
  if (!known) return known.error();
  if (known->integer() != 1) return std::optional<OrderReport>{};
  const auto key = context_.key("order:" + order), text = format(report), kept_for = std::to_string(order_kept_for.count());
  const std::string_view keys[] = {key}, arguments[] = {host, text, kept_for};
  const auto kept = context_.topology().eval(scripts::report(), keys, arguments, patience_ends());
  if (!kept) return kept.error();
  return parse_order_report(kept->text().value_or(""));
}

}  // namespace quota
