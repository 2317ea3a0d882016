// `sendquota status` and `sendquota mode`: the daemon itself.
#include "milter/cli/json_reading.hpp"
#include "milter/cli/render.hpp"
#include "milter/cli/table.hpp"
#include "milter/cli/wording.hpp"

namespace milter::cli {
namespace {

using boost::json::object;
using Fit = Column::Fit;

std::string number_text(const object& from, std::string_view key) {
  return std::to_string(number_at(from, key).value_or(0));
}

std::string last_outage(const object& store, const View& view) {
  const auto& outage = object_at(store, "last_outage");
  if (outage.empty()) return "";
  return "; had no answer from " + moment_text(text_at(outage, "from"), view) + " until " + when_text(text_at(outage, "to"), view);
}

Cell store_cell(const object& store, const View& view) {
  const auto url = text_at(store, "url"), since = text_at(store, "since"), error = text_at(store, "error");
  if (text_at(store, "state") == "ok") return {url + ", ok" + last_outage(store, view), Style::plain};
  return {url + ", " + text_at(store, "state") + (since.empty() ? "" : " since " + when_text(since, view)) +
              (error.empty() ? "" : ": " + error),
          Style::bad};
}

Cell nodes_cell(const object& nodes) {
  const auto fixed = number_at(nodes, "setting");
  const auto text = number_text(nodes, "alive") + " running, " + number_text(nodes, "counted") + " within a day; shares of 1/" +
                    number_text(nodes, "shared_by") + " (" + (fixed ? "fixed" : "auto") + ")";
  if (flag_at(nodes, "differ")) return {text + "; their configurations differ, see sendquota nodes", Style::bad};
  return {text, Style::plain};
}

std::string mail_text(const object& mail) {
  std::string text;
  for (const char* key : {"accepted", "tempfailed", "rejected", "held", "discarded", "observed", "inbound"})
    text += number_text(mail, key) + " " + key + ", ";
  return text + number_text(mail, "uncovered") + " uncovered";
}

}  // namespace

std::string mode_line(const object& mode, const View& view) {
  const auto live = text_at(mode, "live"), since = text_at(mode, "since"), by = text_at(mode, "by");
  if (live.empty()) return "as configured";
  std::string text = live + " everywhere, switched live";
  if (!since.empty()) text += " " + when_text(since, view);
  if (!by.empty()) text += " by " + by;
  if (!text_at(mode, "until").empty()) text += ", " + until_text(mode, "", view);
  return text;
}

std::string render_status(const object& status, const View& view) {
  const auto& config = object_at(status, "config");
  const auto& mode = object_at(status, "mode");
  const quota::Milliseconds uptime(number_at(status, "uptime_ms").value_or(0));
  Table table({{"", Fit::whole}, {"", Fit::wrap}});
  table.add({{"daemon"},
             {"sendquotad " + text_at(status, "version") + " on " + text_at(status, "host") + ", process " +
              number_text(status, "pid") + ", up " + rough_duration(uptime)}});
  table.add({{"config"},
             {text_at(config, "file") + ", loaded " + when_text(text_at(config, "loaded"), view) +
              ", quotas: " + number_text(config, "quotas")}});
  table.add({{"mode"}, {mode_line(mode, view), text_at(mode, "live") == "observe" ? Style::warning : Style::plain}});
  table.add({{"store"}, store_cell(object_at(status, "store"), view)});
  if (!object_at(status, "nodes").empty()) table.add({{"nodes"}, nodes_cell(object_at(status, "nodes"))});
  table.add({{"blocked"}, {number_text(status, "blocked")}});
  table.add({{"live limits"}, {number_text(status, "live_limits")}});
  table.add({{"mail"}, {mail_text(object_at(status, "mail"))}});
  return table.text(view) + render_warnings(status, view);
}

std::string render_mode(const object& mode, const View& view) {
  const auto style = text_at(mode, "live") == "observe" ? Style::warning : Style::plain;
  std::string text = sentence("mode: " + mode_line(mode, view), style, view);
  Table table({{"QUOTA"}, {"CONFIGURED"}, {"NOW"}});
  for (const auto& value : array_at(mode, "quotas")) {
    if (!value.is_object()) continue;
    const auto& quota = value.get_object();
    const auto effective = text_at(quota, "effective");
    table.add({{text_at(quota, "quota")},
               {text_at(quota, "mode")},
               {effective, effective == "observe" ? Style::warning : Style::plain}});
  }
  return (array_at(mode, "quotas").empty() ? text : text + table.text(view)) + render_doubt(mode, view);
}

}  // namespace milter::cli
