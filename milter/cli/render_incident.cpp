// `sendquota incident`: the whole story of one sender.
#include <algorithm>
#include <ctime>
#include <optional>
#include <set>
#include <vector>

#include "milter/cli/command_text.hpp"
#include "milter/cli/json_reading.hpp"
#include "milter/cli/render.hpp"
#include "milter/cli/table.hpp"
#include "milter/cli/wording.hpp"
#include "milter/undoing.hpp"
#include "quota/encoding.hpp"
#include "quota/text.hpp"
#include "quota/time_text.hpp"

namespace milter::cli {
namespace {

using boost::json::object;

constexpr std::size_t most_seconds = 8;

/// A file's name that find(1) takes for itself alone; for a character that is not to be printed it takes any.
std::string literal(std::string_view name) {
  std::string pattern;
  while (!name.empty()) {
    const auto character = name.substr(0, bytes_within(name, 0));
    if (printable(character) != character)
      pattern += '?';
    else
      pattern += std::string_view("*?[\\").find(character) != std::string_view::npos ? "\\" + std::string(character) : std::string(character);
    name.remove_prefix(character.size());
  }
  return pattern;
}

/// A name that was too long for an identity is its head, `=` and a digest.
std::string pattern_of(const std::string& file) {
  constexpr std::size_t digest = 64;
  const auto equals = file.size() > digest ? file.size() - digest - 1 : std::string::npos;
  const bool is_folded = equals != std::string::npos && file[equals] == '=' && file.find_first_not_of("0123456789abcdef", equals + 1) == std::string::npos;
  return is_folded ? literal(file.substr(0, equals)) + "*" : literal(file);
}

/// `host/uid:file`, as scripts are identified.
struct Script {
  std::string host, uid, file;
};
std::optional<Script> script_in(std::string_view value) {
  const auto slash = value.find('/');
  const auto colon = slash == std::string_view::npos ? slash : value.find(':', slash);
  if (colon == std::string_view::npos) return std::nullopt;
  Script script{std::string(value.substr(0, slash)), std::string(value.substr(slash + 1, colon - slash - 1)), quota::decoded(value.substr(colon + 1))};
  if (!quota::parse_number(script.uid) || script.file.empty() || script.file.front() == '+') return std::nullopt;
  return script;
}

/// As web servers write it: `22/Nov/2026:14:32:07`, in local time and always in English.
std::string in_access_log(quota::Timestamp moment) {
  constexpr const char* months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const std::time_t seconds = std::chrono::system_clock::to_time_t(moment);
  tm parts{};
  ::localtime_r(&seconds, &parts);
  char day[8], rest[24];
  std::strftime(day, sizeof day, "%d/", &parts);
  std::strftime(rest, sizeof rest, "/%Y:%H:%M:%S", &parts);
  return day + std::string(months[parts.tm_mon]) + rest;
}

/// The seconds of a script's last messages, the newest first.
std::vector<std::string> seconds_of(const object& history, std::string_view script) {
  std::vector<std::string> seconds;
  for (const auto& value : array_at(history, "messages")) {
    if (!value.is_object() || text_at(value.get_object(), "script") != script) continue;
    const auto at = quota::parse_moment(text_at(value.get_object(), "at"));
    if (!at || seconds.size() >= most_seconds) continue;
    auto second = in_access_log(*at);
    if (std::find(seconds.begin(), seconds.end(), second) == seconds.end()) seconds.push_back(std::move(second));
  }
  return seconds;
}

std::string where_to_look(const object& history, const View& view) {
  std::string text;
  for (const auto& value : array_at(history, "scripts")) {
    const auto name = value.is_string() ? std::string(value.get_string()) : std::string();
    const auto script = script_in(name);
    if (!script) continue;
    text += "\n" + sentence("to find " + script->file + " of uid " + script->uid + " on " + script->host, Style::strong, view);
    text += command_text("find / -path /proc -prune -o -path /sys -prune -o -user " + script->uid + " -name " + quota::shell_word(pattern_of(script->file)) + " -print", view);
    std::string all;
    for (const auto& second : seconds_of(history, name)) all += (all.empty() ? "" : "|") + second;
    if (!all.empty()) text += "who called it\n" + command_text("grep -rhE '" + all + "' /var/log/apache2 /var/log/nginx", view);
  }
  return text;
}

std::int64_t count_in(const object& mail, std::string_view fate, const std::string& host) {
  std::int64_t count = 0;
  for (const auto& value : array_at(mail, fate))
    if (value.is_object() && text_at(value.get_object(), "host") == host) count += number_at(value.get_object(), "count").value_or(0);
  return count;
}

/// By host: what is held, and what was let through and may still be queued.
std::string in_queues(const object& mail, const View& view) {
  std::set<std::string> hosts;
  for (const auto* const fate : {"held", "sent"})
    for (const auto& value : array_at(mail, fate))
      if (value.is_object()) hosts.insert(text_at(value.get_object(), "host"));
  if (hosts.empty()) return "";
  Table table({{"HOST", Column::Fit::wrap}, {"HELD"}, {"LET THROUGH"}});
  for (const auto& host : hosts) table.add({{host, Style::strong}, {std::to_string(count_in(mail, "held", host))}, {std::to_string(count_in(mail, "sent", host))}});
  auto text = "\n" + table.text(view) + sentence("What was let through may still be in the queue; most of it has been delivered.", Style::faint, view);
  for (const auto& value : array_at(mail, "orders"))
    if (value.is_object()) text += render_waiting_order(value.get_object(), view);
  return text;
}

std::string how_to_end_it(const object& identity, const object& mail, const View& view) {
  const auto whole_name = text_at(identity, "identity");
  const auto who = quota::shell_word(whole_name);
  const bool is_blocked = !object_at(identity, "blocked").empty();
  const bool is_recorded = !mail.empty() || !object_at(identity, "history").empty() || !text_at(identity, "history_error").empty();
  const bool has_held = is_recorded && (!array_at(mail, "held").empty() || !array_at(identity, "held").empty());
  const auto about_mail = commands_about_mail({whole_name, has_held, !array_at(mail, "sent").empty()});
  std::string text = "\n" + paint("to end it", Style::strong, view) + "\n";
  if (!is_blocked) text += command_text("sendquota block " + who + " --reason 'stolen, see the ticket'", view);
  for (const auto& command : about_mail) text += command_text(command, view);
  if (!is_blocked) return text;
  const bool goes_with_release = has_held && !about_mail.empty();
  return text + command_text("sendquota release " + who + (goes_with_release ? " --held delete" : "") + " --reason 'password changed'", view);
}

}  // namespace

std::string render_incident(const object& answer, const View& view) {
  const auto& identity = object_at(answer, "identity");
  const auto& mail = object_at(answer, "mail");
  std::string text = render_identity(identity, view);
  if (!array_at(answer, "events").empty()) text += "\n" + render_events(answer, view);
  text += render_missing(answer, "events", "What happened to it", view);
  return text + in_queues(mail, view) + render_missing(answer, "mail", "Which of its mail is in the queues", view) + where_to_look(object_at(identity, "history"), view) + how_to_end_it(identity, mail, view);
}

}  // namespace milter::cli
