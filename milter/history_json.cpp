#include "milter/history_json.hpp"

#include <algorithm>

#include "milter/api_json.hpp"
#include "quota/text.hpp"
#include "quota/time_text.hpp"

namespace milter {
namespace {

namespace json = boost::json;
using quota::Fate;
using quota::Tally;
using quota::Timestamp;

/// Texts of senders are bytes; JSON is UTF-8.
json::string shown(const std::string& text) { return json::string(quota::valid_utf8(text)); }

json::object tally_json(Timestamp at, const Tally& tally) {
  const auto of = [](const auto& numbers, Fate fate) { return numbers[static_cast<std::size_t>(fate)]; };
  return {{"at", quota::format_moment(at)},
          {"sent", of(tally.messages, Fate::sent)},
          {"refused", of(tally.messages, Fate::refused)},
          {"held", of(tally.messages, Fate::held)},
          {"recipients_sent", of(tally.recipients, Fate::sent)},
          {"recipients_refused", of(tally.recipients, Fate::refused)},
          {"recipients_held", of(tally.recipients, Fate::held)}};
}

json::array last_hours_json(const quota::History& history, Timestamp now) {
  const auto last = quota::five_of(now) / quota::fives_of_hour;
  json::array hours;
  for (auto hour = last - quota::hours_of_day + 1; hour <= last; ++hour) {
    const auto found = history.hours.find(hour);
    hours.push_back(tally_json(Timestamp{std::chrono::hours{hour}}, found == history.hours.end() ? Tally{} : found->second));
  }
  return hours;
}

json::array networks_json(const quota::History& history) {
  json::array networks;
  for (const auto& one : history.networks)
    networks.push_back(json::object{{"network", one.network}, {"last", quota::format_moment(one.last)}, {"messages", one.messages}});
  return networks;
}

/// Of the messages that are kept, the latest first.
json::array scripts_json(const quota::Chronicle& chronicle) {
  json::array scripts;
  for (const auto& message : chronicle.messages) {
    const bool is_known = std::any_of(scripts.begin(), scripts.end(), [&](const json::value& one) { return one.as_string() == message.script; });
    if (!message.script.empty() && !is_known) scripts.push_back(shown(message.script));
  }
  return scripts;
}

json::object message_json(const quota::PastMessage& message) {
  json::array recipients;
  for (const auto& recipient : message.first_recipients) recipients.push_back(shown(recipient));
  json::object headers;
  for (const auto& [name, value] : message.headers) headers[shown(name)] = shown(value);
  return {{"at", quota::format_moment(message.at)},
          {"verdict", message.is_discarded ? "discard" : name(message.action)},
          {"cause", name(message.cause)},
          {"quota", text_json(message.quota)},
          {"queue_id", text_json(quota::valid_utf8(message.queue_id))},
          {"host", shown(message.host)},
          {"client", text_json(message.client)},
          {"from", shown(message.mail_from)},
          {"script", text_json(message.script)},
          {"recipients", message.recipients},
          {"first_recipients", std::move(recipients)},
          {"subject", shown(message.subject)},
          {"headers", std::move(headers)}};
}

/// The newest first. Where not all are shown, a third of them at most are refused ones: what has left is what matters.
json::array messages_json(const quota::Chronicle& chronicle, std::size_t most) {
  auto refusals = most < chronicle.messages.size() ? (most + 2) / 3 : most;
  json::array messages;
  for (const auto& message : chronicle.messages) {
    if (messages.size() == most) break;
    const bool is_refused = quota::fate_of(message.action) == quota::Fate::refused;
    if (is_refused && refusals == 0) continue;
    refusals -= is_refused ? 1 : 0;
    messages.push_back(message_json(message));
  }
  return messages;
}

json::array tallies_json(const std::map<std::int64_t, Tally>& all, std::chrono::minutes each) {
  json::array tallies;
  for (const auto& [number, tally] : all) tallies.push_back(tally_json(Timestamp{each * number}, tally));
  return tallies;
}

}  // namespace

json::object history_json(const quota::Chronicle& chronicle, std::size_t most_messages, Timestamp now) {
  return {{"first", moment_json(chronicle.history.first)},
          {"last_hours", last_hours_json(chronicle.history, now)},
          {"networks", networks_json(chronicle.history)},
          {"scripts", scripts_json(chronicle)},
          {"messages", messages_json(chronicle, most_messages)}};
}

json::object whole_history_json(const quota::Identity& identity, const quota::Chronicle& chronicle, Timestamp now) {
  auto all = history_json(chronicle, chronicle.messages.size(), now);
  all["identity"] = identity.text();
  all["hours"] = tallies_json(chronicle.history.hours, std::chrono::hours{1});
  all["five_minutes"] = tallies_json(chronicle.history.fives, std::chrono::minutes{5});
  return all;
}

json::object top_json(const quota::TopQuestion& question, const std::vector<quota::Ranked>& ranked) {
  json::array rows;
  for (const auto& [identity, amount] : ranked) rows.push_back(json::object{{"identity", shown(identity)}, {"amount", amount}});
  return {{"by", name(question.measure)},
          {"per", name(question.kind)},
          {"since", quota::format_moment(Timestamp{std::chrono::hours{question.first_hour}})},
          {"top", std::move(rows)}};
}

json::object senders_json(const quota::TopQuestion& question, const std::vector<SenderRow>& rows) {
  const auto of = [](const auto& numbers, Fate fate) { return numbers[static_cast<std::size_t>(fate)]; };
  json::array senders;
  for (const auto& row : rows)
    senders.push_back(json::object{{"identity", shown(row.identity)},
                                   {"sent", of(row.sum.messages, Fate::sent)},
                                   {"refused", of(row.sum.messages, Fate::refused)},
                                   {"held", of(row.sum.messages, Fate::held)},
                                   {"recipients", of(row.sum.recipients, Fate::sent)},
                                   {"networks", row.networks},
                                   {"first", moment_json(row.first)},
                                   {"blocked", row.is_blocked}});
  return {{"by", name(question.measure)},
          {"per", name(question.kind)},
          {"since", quota::format_moment(Timestamp{std::chrono::hours{question.first_hour}})},
          {"senders", std::move(senders)}};
}

json::object totals_json(const quota::Identity& whose, const quota::History& history, bool has_fives, Timestamp now) {
  if (!has_fives) return {{"identity", whose.text()}, {"step", "1h"}, {"tallies", last_hours_json(history, now)}};
  constexpr std::int64_t fives_of_quarter = 3;
  constexpr auto quarters = quota::hours_of_day * quota::fives_of_hour / fives_of_quarter;
  const auto last = quota::five_of(now) / fives_of_quarter;
  json::array tallies;
  for (auto quarter = last - quarters + 1; quarter <= last; ++quarter) {
    Tally sum;
    for (auto five = history.fives.lower_bound(quarter * fives_of_quarter); five != history.fives.end() && five->first < (quarter + 1) * fives_of_quarter; ++five)
      sum += five->second;
    tallies.push_back(tally_json(Timestamp{std::chrono::minutes{15} * quarter}, sum));
  }
  return {{"identity", whose.text()}, {"step", "15m"}, {"tallies", std::move(tallies)}};
}

json::object who_json(const std::string& name, const quota::Search& search) {
  json::array found;
  for (const auto& [identity, message] : search.found) {
    auto one = message_json(message);
    one["identity"] = shown(identity);
    found.push_back(std::move(one));
  }
  return {{"name", shown(name)}, {"found", std::move(found)}, {"senders", search.senders}, {"complete", search.is_complete}};
}

}  // namespace milter
