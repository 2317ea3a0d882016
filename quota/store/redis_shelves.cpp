#include "quota/store/redis_shelves.hpp"

#include <algorithm>

#include "quota/encoding.hpp"
#include "quota/text.hpp"

namespace quota {
namespace {

constexpr std::size_t texts_at_once = 500;
constexpr std::size_t most_listed = 10'000;
constexpr std::chrono::seconds answer_at_most{1};
/// A page, or all orders.
constexpr ReplyLimits shelf_limits{.bytes = std::size_t{16} << 20, .elements = 40'000};

std::string_view word_of(Fate fate) { return fate == Fate::held ? "held" : "sent"; }

std::string entry_of(const Shelf& shelf) {
  return std::string(word_of(shelf.fate)) + " " + percent_encoded(shelf.host) + " " + shelf.identity;
}

std::optional<Shelf> shelf_of(std::string_view entry) {
  const auto first = entry.find(' ');
  const auto second = first == std::string_view::npos ? first : entry.find(' ', first + 1);
  if (second == std::string_view::npos) return std::nullopt;
  const auto fate = entry.substr(0, first);
  if (fate != "held" && fate != "sent") return std::nullopt;
  return Shelf{std::string(entry.substr(second + 1)), decoded(entry.substr(first + 1, second - first - 1)), fate == "held" ? Fate::held : Fate::sent};
}

/// `[id, ["m", text]]`
std::optional<std::pair<std::string, std::string>> read_entry(const ReplyView& entry) {
  if (entry.size() != 2 || entry[1].size() < 2) return std::nullopt;
  const auto id = entry[0].text();
  const auto text = entry[1][1].text();
  if (!id || !text) return std::nullopt;
  return std::pair(std::string(*id), std::string(*text));
}

std::string number(std::int64_t value) { return std::to_string(value); }

}  // namespace

std::string RedisShelves::key_of(const Shelf& shelf) const {
  return context_.key(std::string(word_of(shelf.fate)) + ":{" + shelf.identity + "}:" + percent_encoded(shelf.host));
}

Result<RedisReply, StoreError> RedisShelves::ask(const Words& words) {
  return context_.topology().ask(words[1], Command(words.begin(), words.end()), Patience::begin() + answer_at_most, shelf_limits);
}

std::optional<StoreError> RedisShelves::write(const Texts& texts, SteadyMoment until) {
  std::vector<Shelf> written;
  for (const auto& [shelf, all] : texts) {
    for (std::span<const std::string> rest = all; !rest.empty(); rest = rest.subspan(std::min(rest.size(), texts_at_once))) {
      if (std::chrono::steady_clock::now() >= until)
        return StoreError{StoreErrorKind::timed_out, Executed::no, "the store takes less queue ids than there are to write"};
      if (const auto problem = write_one(shelf, rest.first(std::min(rest.size(), texts_at_once)))) return problem;
    }
    written.push_back(shelf);
  }
  return list(written);
}

std::optional<StoreError> RedisShelves::write_one(const Shelf& shelf, std::span<const std::string> texts) {
  const auto key = key_of(shelf);
  const auto oldest = std::chrono::floor<std::chrono::seconds>((now_() - kept_for(shelf.fate)).time_since_epoch()).count();
  const std::string head[] = {number(static_cast<std::int64_t>(bounds_.queue_ids)), number(oldest), number(kept_for(shelf.fate).count())};
  Command arguments(std::begin(head), std::end(head));
  arguments.insert(arguments.end(), texts.begin(), texts.end());
  const std::string_view keys[] = {key};
  const auto reply = context_.topology().eval(scripts::shelve(), keys, arguments, context_.deadline());
  if (!reply) return reply.error();
  return std::nullopt;
}

std::optional<StoreError> RedisShelves::list(const std::vector<Shelf>& shelves) {
  if (shelves.empty()) return std::nullopt;
  const auto key = context_.key("shelves");
  Words words{"ZADD", key};
  const auto now = number(now_().time_since_epoch().count());
  for (const auto& shelf : shelves) words.insert(words.end(), {now, entry_of(shelf)});
  if (const auto added = ask(words); !added) return added.error();
  if (const auto cut = ask({"ZREMRANGEBYRANK", key, "0", number(-static_cast<std::int64_t>(most_listed) - 1)}); !cut) return cut.error();
  if (const auto kept = ask({"PEXPIRE", key, number(std::max(bounds_.held_for, bounds_.queued_for).count())}); !kept) return kept.error();
  return std::nullopt;
}

Result<std::vector<Shelf>, StoreError> RedisShelves::listed(const std::optional<Identity>& identity) {
  const auto reply = ask({"ZREVRANGE", context_.key("shelves"), "0", number(most_listed)});
  if (!reply) return reply.error();
  const auto own = identity ? identity->text() : std::string();
  std::vector<Shelf> shelves;
  for (std::size_t i = 0; i < reply->size() && shelves.size() < Archive::most_shelves; ++i) {
    auto shelf = shelf_of((*reply)[i].text().value_or(""));
    if (!shelf) continue;
    if (identity ? shelf->identity == own : shelf->fate == Fate::held) shelves.push_back(std::move(*shelf));
  }
  return shelves;
}

Result<std::vector<ShelfCount>, StoreError> RedisShelves::shelves(const std::optional<Identity>& identity) {
  const auto known = listed(identity);
  if (!known) return known.error();
  Words keys;
  for (const auto& shelf : *known) keys.push_back(key_of(shelf));
  std::vector<RedisQuestion> questions;
  for (const auto& key : keys) {
    auto& length = questions.emplace_back(RedisQuestion{key, {}}).words;
    for (const std::string_view word : {"XLEN", key.c_str()}) length.add(word);
    auto& first = questions.emplace_back(RedisQuestion{key, {}}).words;
    for (const std::string_view word : {"XRANGE", key.c_str(), "-", "+", "COUNT", "1"}) first.add(word);
  }
  const auto answers = context_.topology().ask_each(questions, Patience::begin() + answer_at_most, shelf_limits);
  std::vector<ShelfCount> counts;
  for (std::size_t i = 0; i < known->size(); ++i) {
    const auto& length = answers[2 * i];
    const auto& first = answers[2 * i + 1];
    if (!length) return length.error();
    if (!first) return first.error();
    const auto entry = first->size() == 1 ? read_entry((*first)[0]) : std::nullopt;
    if (entry) counts.push_back({(*known)[i], length->integer().value_or(0), moment_of_message(entry->second)});
  }
  return counts;
}

Result<ShelfPage, StoreError> RedisShelves::page(const Shelf& shelf, const std::string& from, std::size_t count) {
  const auto own = parse_identity(shelf.identity);
  const auto reply = ask({"XRANGE", key_of(shelf), from.empty() ? "-" : "(" + from, "+", "COUNT", number(static_cast<std::int64_t>(count))});
  if (!reply) return reply.error();
  ShelfPage page;
  const auto oldest = now_() - kept_for(shelf.fate);
  for (std::size_t i = 0; i < reply->size(); ++i) {
    const auto entry = read_entry((*reply)[i]);
    if (!entry) continue;
    page.next = entry->first;
    auto mail = own ? parse_queued_mail(entry->second, *own) : std::nullopt;
    if (!mail || mail->at < oldest) continue;
    mail->host = shelf.host;
    page.rows.push_back({entry->first, std::move(*mail)});
  }
  if (reply->size() < count) page.next.clear();
  return page;
}

Result<void, StoreError> RedisShelves::take_away(const Shelf& shelf, std::span<const std::string> places) {
  if (places.empty()) return {};
  const auto key = key_of(shelf);
  Words words{"XDEL", key};
  words.insert(words.end(), places.begin(), places.end());
  if (const auto removed = ask(words); !removed) return removed.error();
  const auto left = ask({"XLEN", key});
  if (!left) return left.error();
  if (left->integer() != 0) return {};
  if (const auto unlisted = ask({"ZREM", context_.key("shelves"), entry_of(shelf)}); !unlisted) return unlisted.error();
  return {};
}

Result<void, StoreError> RedisShelves::see_host(const std::string& host) {
  const auto key = context_.key("queue-hosts");
  const auto now = now_();
  if (const auto seen = ask({"ZADD", key, number(now.time_since_epoch().count()), host}); !seen) return seen.error();
  if (const auto cut = ask({"ZREMRANGEBYRANK", key, "0", number(-static_cast<std::int64_t>(Archive::most_shelves) - 1)}); !cut) return cut.error();
  if (const auto kept = ask({"PEXPIRE", key, number(Archive::host_seen_for.count())}); !kept) return kept.error();
  return {};
}

Result<std::vector<std::string>, StoreError> RedisShelves::hosts_seen() {
  const auto reply = ask({"ZREVRANGE", context_.key("queue-hosts"), "0", "-1", "WITHSCORES"});
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
  if (const auto kept = ask({"PEXPIRE", key, number(order_kept_for.count())}); !kept) return kept.error();
  return true;
}

Result<std::vector<OrderStatus>, StoreError> RedisShelves::orders() {
  const auto key = context_.key("orders");
  const auto all = ask({"HGETALL", key});
  if (!all) return all.error();
  std::vector<OrderStatus> known;
  for (std::size_t i = 0; i + 1 < all->size(); i += 2) {
    auto order = parse_queue_order((*all)[i].text().value_or(""), (*all)[i + 1].text().value_or(""));
    if (order) known.push_back({std::move(*order)});
  }
  std::vector<OrderStatus> live;
  for (auto& status : known) {
    const auto reports_key = context_.key("order:" + status.order.id);
    const auto reports = ask({"HGETALL", reports_key});
    if (!reports) return reports.error();
    for (std::size_t i = 0; i + 1 < reports->size(); i += 2)
      if (auto report = parse_order_report((*reports)[i + 1].text().value_or("")))
        status.reports.emplace((*reports)[i].text().value_or(""), std::move(*report));
    if (!is_passed(status, now_())) {
      live.push_back(std::move(status));
      continue;
    }
    if (const auto forgotten = ask({"HDEL", key, status.order.id}); !forgotten) return forgotten.error();
    if (const auto forgotten = ask({"DEL", reports_key}); !forgotten) return forgotten.error();
  }
  std::sort(live.begin(), live.end(), [](const OrderStatus& one, const OrderStatus& other) { return std::tie(one.order.at, one.order.id) < std::tie(other.order.at, other.order.id); });
  return live;
}

Result<void, StoreError> RedisShelves::report(const std::string& order, const std::string& host, const OrderReport& report) {
  const auto known = ask({"HEXISTS", context_.key("orders"), order});
  if (!known) return known.error();
  if (known->integer() != 1) return {};
  const auto key = context_.key("order:" + order);
  if (const auto written = ask({"HSET", key, host, format(report)}); !written) return written.error();
  if (const auto kept = ask({"PEXPIRE", key, number(order_kept_for.count())}); !kept) return kept.error();
  return {};
}

}  // namespace quota
