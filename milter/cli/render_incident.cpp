// `sendquota incident`: the whole story of one sender.
#include <algorithm>
#include <ctime>
#include <optional>
#include <vector>

#include "milter/cli/json_reading.hpp"
#include "milter/cli/render.hpp"
#include "quota/encoding.hpp"
#include "quota/text.hpp"
#include "quota/time_text.hpp"

namespace milter::cli {
namespace {

using boost::json::object;

constexpr std::size_t most_seconds = 8;

/// A file's name that find(1) takes for itself alone.
std::string literal(std::string_view name) {
  std::string pattern;
  for (const char c : name) pattern += std::string_view("*?[\\").find(c) != std::string_view::npos ? std::string("\\") + c : std::string(1, c);
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
    text += "\n" + paint(printable("to find " + script->file + " of uid " + script->uid + " on " + script->host), Style::strong, view) + "\n";
    text += printable("  find / -path /proc -prune -o -path /sys -prune -o -user " + script->uid + " -name " + quota::shell_word(pattern_of(script->file)) + " -print") + "\n";
    std::string all;
    for (const auto& second : seconds_of(history, name)) all += (all.empty() ? "" : "|") + second;
    if (!all.empty()) text += "who called it\n  grep -rhE '" + all + "' /var/log/apache2 /var/log/nginx\n";
  }
  return text;
}

std::string how_to_end_it(const object& identity, const View& view) {
  const auto who = printable(quota::shell_word(text_at(identity, "identity")));
  std::string text = "\n" + paint("to end it", Style::strong, view) + "\n";
  if (object_at(identity, "blocked").empty()) return text + "  sendquota block " + who + " --reason 'stolen, see the ticket'\n";
  return text + "  sendquota release " + who + " --reason 'password changed'\n";
}

}  // namespace

std::string render_incident(const object& answer, const View& view) {
  const auto& identity = object_at(answer, "identity");
  std::string text = render_identity(identity, view);
  if (!array_at(answer, "events").empty()) text += "\n" + render_events(answer, view);
  return text + where_to_look(object_at(identity, "history"), view) + how_to_end_it(identity, view);
}

}  // namespace milter::cli
