// `sendquota report`: one page for every morning.
#include <algorithm>

#include "milter/cli/json_reading.hpp"
#include "milter/cli/render.hpp"
#include "milter/cli/table.hpp"
#include "milter/cli/wording.hpp"

namespace milter::cli {
namespace {

using boost::json::array;
using boost::json::object;
using Fit = Column::Fit;

std::string ranking(const array& rows, const std::string& title, const char* what, const View& view) {
  if (rows.empty()) return "";
  Table table({{title, Fit::wrap}, {what}});
  for (const auto& value : rows)
    if (value.is_object()) table.add({{text_at(value.get_object(), "identity")}, {std::to_string(number_at(value.get_object(), "amount").value_or(0))}});
  return "\n" + table.text(view);
}

/// What no quota is for, as a part of all that is ours to judge.
std::string mail_of(const object& status, const View& view) {
  const auto& mail = object_at(status, "mail");
  const auto number = [&mail](const char* key) { return number_at(mail, key).value_or(0); };
  const auto judged = number("accepted") - number("inbound") + number("tempfailed") + number("rejected") + number("held") + number("discarded");
  if (judged <= 0) return "";
  const auto uncovered = number("uncovered");
  return sentence(std::to_string(uncovered) + " of " + std::to_string(judged) + " outgoing messages since the daemon's start (" +
                      std::to_string(uncovered * 100 / judged) + " %) were covered by no quota.",
                  uncovered * 20 > judged ? Style::warning : Style::plain, view);
}

/// What notify.daily leaves for this page, the newest last.
std::string happenings(const array& events, const View& view) {
  if (events.empty()) return "";
  std::string text = "\n" + render_events(object{{"events", events}}, view);
  if (events.size() >= most_reported) text += sentence("Older ones are left out; see 'sendquota events'.", Style::plain, view);
  return text;
}

array without_end(const array& limits) {
  array found;
  std::copy_if(limits.begin(), limits.end(), std::back_inserter(found),
               [](const auto& value) { return value.is_object() && text_at(value.get_object(), "until").empty(); });
  return found;
}

constexpr std::size_t most_of_held = 10;

/// Who has waited longest, and who is waited for.
std::string queued_mail(const object& answer, const View& view) {
  std::string text;
  auto held = array_at(answer, "held");
  std::stable_sort(held.begin(), held.end(), [](const auto& one, const auto& other) {
    return one.is_object() && other.is_object() && text_at(one.get_object(), "oldest") < text_at(other.get_object(), "oldest");
  });
  if (held.size() > most_of_held) held.resize(most_of_held);
  if (!held.empty()) text += "\n" + paint("held mail, the oldest first", Style::warning, view) + "\n" + render_held(object{{"held", held}}, view);
  std::string orders;
  for (const auto& value : array_at(answer, "orders"))
    if (value.is_object()) orders += render_waiting_order(value.get_object(), view);
  return orders.empty() ? text : text + "\n" + orders;
}

}  // namespace

std::string render_report(const object& answer, const View& view) {
  const auto& status = object_at(answer, "status");
  const auto& top = object_at(answer, "top");
  const auto since = "SINCE " + moment_text(text_at(top, "since"), view);
  std::string text = sentence("sendquota on " + text_at(status, "host"), Style::strong, view) + render_warnings(status, view) + mail_of(status, view);
  text += "\n" + render_blocked(object{{"blocked", array_at(answer, "blocked")}}, view);
  if (const auto limits = without_end(array_at(answer, "limits")); !limits.empty())
    text += "\n" + paint("live limits without an end", Style::warning, view) + "\n" + render_limits(object{{"limits", limits}}, view);
  text += queued_mail(answer, view) + render_missing(answer, "held", "Held mail", view);
  text += happenings(array_at(answer, "events"), view) + render_missing(answer, "events", "What happened", view);
  text += ranking(array_at(top, "top"), since, "MESSAGES", view);
  text += ranking(array_at(answer, "scripts"), since, "MESSAGES", view);
  text += ranking(array_at(answer, "refused"), since, "REFUSED", view);
  text += ranking(array_at(answer, "networks"), since, "NETWORKS IN AN HOUR", view);
  text += ranking(array_at(answer, "most_in_30_days"), "IN 30 DAYS", "MESSAGES", view);
  return text + render_missing(answer, "top", "Who sent the most", view);
}

}  // namespace milter::cli
