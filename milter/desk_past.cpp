// What the desk knows of the past: what senders sent, and what happened.
#include <algorithm>
#include <array>
#include <limits>

#include "milter/desk.hpp"
#include "milter/desk_problems.hpp"
#include "milter/desk_questions.hpp"
#include "milter/history_json.hpp"
#include "milter/member_messages.hpp"
#include "milter/api_json.hpp"
#include "quota/patience.hpp"
#include "quota/text.hpp"
#include "quota/time_text.hpp"

namespace milter {
namespace {

namespace json = boost::json;

constexpr std::size_t most_counted = 1000;
constexpr auto longest_kept = std::chrono::days{366};
/// In case the stream grows while it is read, or is kept longer than ours.
constexpr int most_pages = 100;

/// After which event: the one that is named, or the last before `since`.
OrProblem<std::optional<quota::EventId>> first_event(const admin::EventsQuestion& typed, quota::Timestamp now) {
  const auto named = quota::EventId::parse(typed.after);
  if (!typed.after.empty() && !named) return bad_request("'" + typed.after + "' is no id of an event; write one as in 1763812800000-0");
  if (typed.since.empty()) return named;
  const auto since = quota::parse_duration(typed.since);
  if (!since) return bad_request(since.error());
  if (*since > longest_kept) return bad_request("'" + typed.since + "' is longer than anything is kept; write at most 366d");
  const quota::EventId begin{(now - *since).time_since_epoch().count(), 0};
  return std::optional(named ? std::max(*named, begin) : begin);
}

json::object event_json(const quota::PastEvent& past) {
  const auto shown = [](const std::string& text) { return json::string(quota::valid_utf8(text)); };
  const auto& event = past.event;
  return {{"id", past.id.text()},
          {"at", quota::format_moment(past.id.at())},
          {"event", shown(event.what)},
          {"severity", shown(event.severity)},
          {"identity", text_json(quota::valid_utf8(event.identity))},
          {"text", shown(event.text)},
          {"by", shown(event.by)},
          {"host", shown(event.host)}};
}

}  // namespace

std::vector<quota::Identity> Desk::members(const quota::Identity& wider) {
  const auto config = tools_.config();
  const auto tables = tools_.keeper.tables();
  const std::array accounts{&tables->accounts, &config->policy->parts().accounts};
  return members_of(wider, accounts, tools_.book, now());
}

/// With the last messages of those that belong to it.
std::optional<quota::Result<quota::Chronicle, quota::StoreError>> Desk::kept_of(const quota::Identity& identity) {
  auto kept = tools_.book.read(identity);
  const auto config = tools_.config();
  const auto tables = tools_.keeper.tables();
  const std::array accounts{&tables->accounts, &config->policy->parts().accounts};
  if (kept && *kept) add_member_messages(**kept, identity, accounts, tools_.book, config->record.bounds.messages, now());
  return kept;
}

Desk::Answer Desk::history(const std::string& typed) {
  const auto identity = identity_of(typed);
  if (!identity) return identity.error();
  const auto kept = kept_of(*identity);
  if (!kept) return nothing_recorded();
  if (!*kept) return record_problem(kept->error().text);
  return whole_history_json(*identity, **kept, now());
}

Desk::Answer Desk::top(const admin::TopQuestion& typed) {
  const auto question = top_question(typed, now());
  if (!question) return question.error();
  auto asked = *question;
  if (!typed.account.empty()) asked.count = std::numeric_limits<std::size_t>::max();  // the others are left out first
  auto kept = tools_.book.top(asked);
  if (!kept) return nothing_recorded();
  if (!*kept) return record_problem(kept->error().text);
  auto& ranked = **kept;
  if (!typed.account.empty()) std::erase_if(ranked, [&](const quota::Ranked& one) { return !is_of(one.identity, typed.account); });
  if (ranked.size() > question->count) ranked.resize(question->count);
  const auto config = tools_.config();
  const auto& record = config->record;
  auto answer = top_json(*question, ranked);
  answer["recorded"] = std::find(record.per.begin(), record.per.end(), question->kind) != record.per.end();
  const auto kept_since = quota::first_hour_kept(record.bounds, now());
  answer["kept_since"] = question->first_hour < kept_since ? json::value(quota::format_moment(quota::Timestamp{std::chrono::hours{kept_since}})) : json::value(nullptr);
  answer["networks_most"] = record.bounds.networks;
  return answer;
}

OrProblem<Desk::EventFilter> Desk::event_filter(const admin::EventsQuestion& typed) const {
  EventFilter filter;
  if (!typed.identity.empty()) {
    const auto parsed = identity_of(typed.identity);
    if (!parsed) return parsed.error();
    filter.identity = parsed->text();
  }
  if (!typed.only.empty() && typed.only != "daily") return bad_request("'" + typed.only + "' is no choice of events; write daily, or leave it out");
  filter.account = typed.account;
  if (typed.only == "daily") filter.only = tools_.config()->notify.daily;
  return filter;
}

/// Of some events only, the stream is read from its end until enough are found.
Desk::Answer Desk::events(const admin::EventsQuestion& question) {
  const auto count = count_of(question.count, most_counted);
  if (!count) return count.error();
  const auto filter = event_filter(question);
  if (!filter) return filter.error();
  const auto after = first_event(question, now());
  if (!after) return after.error();
  const auto is_asked_for = [&](const quota::Event& event) {
    return (filter->identity.empty() || event.identity == filter->identity) && (filter->account.empty() || is_of(event.identity, filter->account)) &&
           (!filter->only || std::find(filter->only->begin(), filter->only->end(), event.what) != filter->only->end());
  };
  const bool is_filtered = !filter->identity.empty() || !filter->account.empty() || filter->only;
  quota::EventRange range{.count = is_filtered ? most_counted : *count, .after = *after};
  json::array rows;
  std::string last;
  const quota::BriefPatience patience;
  for (int page = 0; page < most_pages; ++page) {
    const auto events = tools_.setup.ledger().events(range);
    if (!events) return no_answer_of_store(events.error().text);
    if (last.empty() && !events->empty()) last = events->front().id.text();
    for (const auto& one : *events)
      if (rows.size() < *count && is_asked_for(one.event)) rows.push_back(event_json(one));
    if (rows.size() >= *count || events->size() < range.count) break;
    range.before = events->back().id;
  }
  return json::object{{"events", std::move(rows)}, {"last", text_json(last.empty() ? question.after : last)}};
}

Desk::Answer Desk::who(const admin::WhoQuestion& question) {
  const auto count = count_of(question.count, most_counted);
  if (!count) return count.error();
  if (question.name.empty()) return bad_request("nothing to look for; write a queue id, a Message-ID, a client's address, or a part of a header in record.evidence_headers");
  auto search = tools_.book.find(question.name, question.account.empty() ? *count : most_counted);
  if (!search) return nothing_recorded();
  if (!*search) return record_problem((*search).error().text);
  if (!question.account.empty()) std::erase_if((*search)->found, [&](const auto& one) { return !is_of(one.identity, question.account); });
  if ((*search)->found.size() > *count) (*search)->found.resize(*count);
  const auto kept_for = tools_.config()->record.bounds.messages_for;
  if ((*search)->found.empty() && (*search)->is_complete)
    return admin::Problem{admin::Problem::Kind::not_found,
                          "no message of the last " + quota::format_duration(kept_for) + " bears \"" + quota::valid_utf8(question.name) + "\", among those that are kept of " +
                              std::to_string((*search)->senders) + " senders",
                          "write a queue id, a Message-ID, a client's address, or a part of a header in record.evidence_headers", {}};
  return who_json(question.name, **search);
}

}  // namespace milter
