// What the desk knows of the past: what senders sent, and what happened.
#include <limits>

#include "milter/desk.hpp"
#include "milter/desk_problems.hpp"
#include "milter/desk_questions.hpp"
#include "milter/history_json.hpp"
#include "milter/api_json.hpp"
#include "quota/text.hpp"
#include "quota/time_text.hpp"

namespace milter {
namespace {

namespace json = boost::json;

constexpr std::size_t most_counted = 1000;
/// In case the stream grows while it is read, or is kept longer than ours.
constexpr int most_pages = 100;

admin::Problem stream_problem(const std::string& what) {
  return {admin::Problem::Kind::unavailable, "the store has no answer: " + what, "mail goes on; try again when it answers", {}};
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

Desk::Answer Desk::history(const std::string& typed) {
  const auto identity = identity_of(typed);
  if (!identity) return identity.error();
  const auto kept = tools_.book.read(*identity);
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
  return top_json(*question, ranked);
}

/// Of one identity, or account, the stream is read from its end until enough are found.
Desk::Answer Desk::events(const admin::EventsQuestion& question) {
  const auto count = count_of(question.count, most_counted);
  if (!count) return count.error();
  quota::EventRange range{.count = *count};
  if (!question.after.empty()) range.after = quota::EventId::parse(question.after);
  if (!question.after.empty() && !range.after) return bad_request("'" + question.after + "' is no id of an event; write one as in 1763812800000-0");
  std::string identity;
  if (!question.identity.empty()) {
    const auto parsed = identity_of(question.identity);
    if (!parsed) return parsed.error();
    identity = parsed->text();
  }
  if (!identity.empty() || !question.account.empty()) range.count = most_counted;
  const auto is_asked_for = [&](const std::string& whose) {
    return (identity.empty() || whose == identity) && (question.account.empty() || is_of(whose, question.account));
  };
  json::array rows;
  std::string last;
  for (int page = 0; page < most_pages; ++page) {
    const auto events = tools_.setup.ledger().events(range);
    if (!events) return stream_problem(events.error().text);
    if (last.empty() && !events->empty()) last = events->front().id.text();
    for (const auto& one : *events)
      if (rows.size() < *count && is_asked_for(one.event.identity)) rows.push_back(event_json(one));
    if (rows.size() >= *count || events->size() < range.count) break;
    range.before = events->back().id;
  }
  return json::object{{"events", std::move(rows)}, {"last", text_json(last.empty() ? question.after : last)}};
}

Desk::Answer Desk::who(const admin::WhoQuestion& question) {
  const auto count = count_of(question.count, most_counted);
  if (!count) return count.error();
  if (question.name.empty()) return bad_request("nothing to look for; write a queue id, a client's address, or a part of a header in record.evidence_headers");
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
                          "write a queue id, a client's address, or a part of a header in record.evidence_headers", {}};
  return who_json(question.name, **search);
}

}  // namespace milter
