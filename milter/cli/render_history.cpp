// What a sender has sent, and who sends the most.
#include <algorithm>
#include <array>

#include "milter/cli/json_reading.hpp"
#include "milter/cli/render.hpp"
#include "milter/cli/table.hpp"
#include "milter/cli/wording.hpp"

namespace milter::cli {
namespace {

using boost::json::array;
using boost::json::object;
using Fit = Column::Fit;

constexpr std::array<std::string_view, 9> bars{"·", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
constexpr std::size_t networks_shown = 8;

std::string count_text(std::int64_t number, std::string_view what) { return std::to_string(number) + " " + std::string(what); }

/// A bar for each hour, the highest as high as the greatest of `most`; nothing sent is a dot.
std::string bar_line(const array& hours, std::string_view what, std::int64_t most) {
  std::string line;
  for (const auto& hour : hours) {
    const auto number = hour.is_object() ? number_at(hour.get_object(), what).value_or(0) : 0;
    const auto height = number <= 0 ? 0 : std::max<std::int64_t>(1, number * 8 / most);
    line += bars[static_cast<std::size_t>(std::min<std::int64_t>(height, 8))];
  }
  return line;
}

std::string last_hours(const object& history, const View& view) {
  const auto& hours = array_at(history, "last_hours");
  if (hours.empty() || !hours.front().is_object()) return "";
  constexpr std::array<std::pair<std::string_view, Style>, 3> lines{{{"sent", Style::good}, {"refused", Style::bad}, {"held", Style::warning}}};
  Table table({{"24 HOURS"}, {"FROM " + moment_text(text_at(hours.front().get_object(), "at"), view)}, {"MESSAGES"}, {"MOST IN AN HOUR"}});
  for (const auto& [what, style] : lines) {
    std::int64_t sum = 0;
    std::int64_t most = 1;
    for (const auto& hour : hours) {
      const auto number = hour.is_object() ? number_at(hour.get_object(), what).value_or(0) : 0;
      sum += number;
      most = std::max(most, number);
    }
    table.add({{std::string(what)}, {bar_line(hours, what, most), style}, {std::to_string(sum)}, {sum > 0 ? std::to_string(most) : ""}});
  }
  return "\n" + table.text(view);
}

/// A number of networks; as many as are kept may be more.
std::string networks_text(std::int64_t number, const object& answer) {
  const auto most = number_at(answer, "networks_most");
  return std::to_string(number) + (most && number >= *most ? " OR MORE" : "");
}

std::string networks(const object& history, const object& identity, const View& view) {
  const auto& all = array_at(history, "networks");
  if (all.empty()) return "";
  Table table({{"FROM " + networks_text(static_cast<std::int64_t>(all.size()), identity) + (all.size() == 1 ? " NETWORK" : " NETWORKS")}, {"MESSAGES"}, {"LAST"}});
  for (std::size_t i = 0; i < std::min(all.size(), networks_shown); ++i) {
    if (!all[i].is_object()) continue;
    const auto& one = all[i].get_object();
    table.add({{text_at(one, "network")}, {std::to_string(number_at(one, "messages").value_or(0))}, {when_text(text_at(one, "last"), view)}});
  }
  auto text = "\n" + table.text(view);
  if (all.size() > networks_shown) text += "and " + std::to_string(all.size() - networks_shown) + " more; all of them: --json\n";
  return text;
}

std::string scripts(const object& history, const View& view) {
  std::string text;
  for (const auto& script : array_at(history, "scripts"))
    if (script.is_string()) text += "\n" + sentence("script: " + std::string(script.get_string()), Style::plain, view);
  return text;
}

Style style_of(std::string_view verdict) {
  if (verdict == "accept") return Style::plain;
  return verdict == "quarantine" ? Style::warning : Style::bad;
}

/// To whom it went: the first of them, and how many there were.
std::string recipients_of(const object& message) {
  const auto& first = array_at(message, "first_recipients");
  const auto number = number_at(message, "recipients").value_or(0);
  if (number == 0) return "";  // refused before any was named
  if (first.empty() || !first.front().is_string()) return " " + count_text(number, number == 1 ? "recipient" : "recipients");
  const auto whom = " " + std::string(first.front().get_string());
  return number > 1 ? whom + " +" + std::to_string(number - 1) : whom;
}

std::string messages(const object& history, const View& view) {
  const auto& all = array_at(history, "messages");
  if (all.empty()) return "";
  Table table({{"LAST MESSAGES"}, {"VERDICT"}, {"CLIENT", Fit::wrap}, {"FROM, TO, SUBJECT", Fit::wrap}});
  for (const auto& value : all) {
    if (!value.is_object()) continue;
    const auto& message = value.get_object();
    const auto verdict = text_at(message, "verdict");
    const auto client = text_at(message, "client");
    const auto subject = text_at(message, "subject");
    table.add({{moment_text(text_at(message, "at"), view)},
               {verdict, style_of(verdict)},
               {client.empty() ? "local" : client},
               {"<" + text_at(message, "from") + ">" + recipients_of(message) + (subject.empty() ? "" : " \"" + subject + "\"")}});
  }
  return "\n" + table.text(view);
}

}  // namespace

std::string render_history(const object& identity, const View& view) {
  if (const auto error = text_at(identity, "history_error"); !error.empty())
    return "\n" + sentence("What it sent cannot be shown, the record has no answer: " + error, Style::warning, view);
  const auto& history = object_at(identity, "history");
  if (history.empty()) return "";
  const auto first = text_at(history, "first");
  if (first.empty()) return "\nNothing is recorded of it.\n";
  return "\nfirst seen " + when_text(first, view) + "\n" + last_hours(history, view) + networks(history, identity, view) + scripts(history, view) + messages(history, view);
}

std::string render_top(const object& answer, const View& view) {
  const auto by = text_at(answer, "by");
  Table table({{"SINCE " + moment_text(text_at(answer, "since"), view), Fit::wrap}, {by == "refused" ? "REFUSED" : by == "recipients" ? "RECIPIENTS" : by == "networks" ? "NETWORKS" : by == "held" ? "HELD" : "MESSAGES"}});
  const auto& top = array_at(answer, "top");
  const auto kept_since = text_at(answer, "kept_since");
  const auto note = kept_since.empty() ? "" : sentence("No more is kept than since " + moment_text(kept_since, view) + ": record.hours_for", Style::warning, view);
  if (top.empty() && !flag_at(answer, "recorded") && answer.contains("recorded"))
    return sentence("Nothing is recorded per " + text_at(answer, "per") + ": write it into record.per of the configuration", Style::warning, view);
  if (top.empty()) return "Nothing of the kind since " + moment_text(text_at(answer, "since"), view) + ".\n" + note;
  for (const auto& value : top) {
    if (!value.is_object()) continue;
    const auto& one = value.get_object();
    const auto amount = number_at(one, "amount").value_or(0);
    table.add({{text_at(one, "identity")}, {by == "networks" ? networks_text(amount, answer) : std::to_string(amount)}});
  }
  return table.text(view) + note;
}

}  // namespace milter::cli
