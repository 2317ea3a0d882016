// What happened, and whose a message was.
#include "milter/cli/json_reading.hpp"
#include "milter/cli/render.hpp"
#include "milter/cli/table.hpp"
#include "milter/cli/wording.hpp"

namespace milter::cli {
namespace {

using boost::json::object;
using Fit = Column::Fit;

Style style_of(std::string_view severity) {
  if (severity == "error") return Style::bad;
  return severity == "warning" ? Style::warning : Style::plain;
}

std::string or_dash(std::string text) { return text.empty() ? "-" : text; }

}  // namespace

std::string render_events(const object& answer, const View& view) {
  const auto& events = array_at(answer, "events");
  if (events.empty()) return "Nothing has happened.\n";
  Table table({{"TIME"}, {"EVENT"}, {"IDENTITY", Fit::wrap}, {"WHAT HAPPENED", Fit::wrap}, {"BY", Fit::wrap}});
  for (auto event = events.rbegin(); event != events.rend(); ++event) {  // as a log has them: the newest last
    if (!event->is_object()) continue;
    const auto& one = event->get_object();
    const auto by = text_at(one, "by");
    const auto host = text_at(one, "host");
    table.add({{moment_text(text_at(one, "at"), view)},
               {text_at(one, "event"), style_of(text_at(one, "severity"))},
               {or_dash(text_at(one, "identity"))},
               {text_at(one, "text")},
               {by == "sendquotad" ? host : by + " on " + host}});
  }
  return table.text(view);
}

std::string render_who(const object& answer, const View& view) {
  const auto& found = array_at(answer, "found");
  std::string text;
  if (!found.empty()) {
    Table table({{"TIME"}, {"VERDICT"}, {"IDENTITY", Fit::wrap}, {"QUEUE ID, HOST, CLIENT, FROM, SCRIPT", Fit::wrap}});
    for (const auto& value : found) {
      if (!value.is_object()) continue;
      const auto& one = value.get_object();
      const auto client = text_at(one, "client");
      const auto script = text_at(one, "script");
      table.add({{moment_text(text_at(one, "at"), view)},
                 {text_at(one, "verdict")},
                 {text_at(one, "identity"), Style::strong},
                 {or_dash(text_at(one, "queue_id")) + " " + text_at(one, "host") + " " + (client.empty() ? "local" : client) + " <" + text_at(one, "from") + ">" + (script.empty() || text_at(one, "identity") == "script:" + script ? "" : " " + script)}});
    }
    text = table.text(view);
  }
  const auto senders = std::to_string(number_at(answer, "senders").value_or(0));
  if (!flag_at(answer, "complete"))
    text += sentence("Not all messages were looked at, only those of " + senders + " senders: there was no time for more.", Style::warning, view);
  return text;
}

}  // namespace milter::cli
