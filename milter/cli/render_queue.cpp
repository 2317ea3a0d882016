// `sendquota held` and `sendquota queue`: mail in the queues, and orders about it.
#include "milter/cli/command_text.hpp"
#include "milter/cli/json_reading.hpp"
#include "milter/cli/render.hpp"
#include "milter/cli/table.hpp"
#include "milter/cli/wording.hpp"
#include "quota/text.hpp"

namespace milter::cli {
namespace {

using boost::json::object;
using Fit = Column::Fit;

std::string count_of(const object& from, std::string_view key) { return std::to_string(number_at(from, key).value_or(0)); }

std::string of_mail(const object& order) {
  const auto act = text_at(order, "act");
  if (act == "send") return "send";
  return act == "hold" ? "hold" : "delete";
}

Style style_of(const std::string& state) {
  if (state == "done") return Style::good;
  return state == "failed" ? Style::bad : Style::warning;
}

std::string hosts_table(const object& order, const View& view) {
  Table table({{"HOST", Fit::wrap}, {"STATE"}, {"OF"}, {"DONE"}, {"GONE"}, {"SKIPPED"}, {"BOUNCES"}, {"", Fit::wrap}});
  for (const auto& value : array_at(order, "hosts")) {
    if (!value.is_object()) continue;
    const auto& host = value.get_object();
    const auto& counts = object_at(host, "counts");
    const auto state = text_at(host, "state");
    table.add({{text_at(host, "host"), Style::strong}, {state, style_of(state)}, {count_of(counts, "total")}, {count_of(counts, "done")}, {count_of(counts, "gone")},
               {count_of(counts, "skipped")}, {count_of(counts, "bounces")}, {text_at(host, "error")}});
  }
  return table.text(view);
}

std::string skips_of(const object& order, const View& view) {
  std::string text;
  for (const auto& value : array_at(order, "hosts")) {
    if (!value.is_object()) continue;
    for (const auto& skip : array_at(value.get_object(), "skips"))
      if (skip.is_string()) text += sentence("skipped " + printable(text_at(value.get_object(), "host") + " " + std::string(skip.get_string())), Style::warning, view);
  }
  return text;
}

std::string missing_hosts(const object& order) {
  std::string text;
  for (const auto& value : array_at(order, "hosts")) {
    if (!value.is_object()) continue;
    const auto state = text_at(value.get_object(), "state");
    if (state != "done" && state != "failed") text += (text.empty() ? "" : ", ") + printable(text_at(value.get_object(), "host"));
  }
  return text;
}

void add_mail(Table& table, const object& shelf, const View& view) {
  for (const auto& value : array_at(shelf, "mail")) {
    if (!value.is_object()) continue;
    const auto& mail = value.get_object();
    table.add({{moment_text(text_at(mail, "at"), view)}, {text_at(shelf, "host")}, {text_at(mail, "queue_id")}, {"<" + text_at(mail, "from") + ">"}, {count_of(mail, "recipients")}});
  }
}

}  // namespace

std::string render_held(const object& answer, const View& view) {
  Table table({{"IDENTITY", Fit::wrap}, {"HOST", Fit::wrap}, {"HELD"}, {"OLDEST", Fit::wrap}});
  std::size_t rows = 0;
  for (const auto& value : array_at(answer, "held")) {
    if (!value.is_object()) continue;
    const auto& shelf = value.get_object();
    table.add({{text_at(shelf, "identity"), Style::strong}, {text_at(shelf, "host")}, {count_of(shelf, "count")}, {when_text(text_at(shelf, "oldest"), view)}});
    ++rows;
  }
  if (rows == 0) return "No mail is known to be held.\n";
  return table.text(view) + sentence("Held mail is listed under its login or script, and under whom it was held for.", Style::faint, view);
}

std::string render_order(const object& order, const View& view) {
  std::string text = sentence(of_mail(order) + " mail of " + text_at(order, "identity"), Style::strong, view);
  if (flag_at(order, "dry_run")) text = paint("Nothing was done: it is what would be.", Style::warning, view) + "\n" + text;
  text += hosts_table(order, view) + skips_of(order, view);
  if (!flag_at(order, "over") && text_at(order, "order").empty())
    return text + sentence("Interrupted: the rest is as it was. The same command goes on with it.", Style::warning, view);
  if (const auto missing = missing_hosts(order); !missing.empty())
    text += sentence("Not ended yet on " + missing + ". The order " + text_at(order, "order") + " waits there for sendquota-queue; sendquota held " +
                         quota::shell_word(text_at(order, "identity")) + " tells how far it is.",
                     Style::warning, view);
  return text;
}

std::string render_waiting_order(const object& order, const View& view) {
  if (flag_at(order, "over")) return "";
  return sentence(printable("The order of " + moment_text(text_at(order, "at"), view) + " by " + text_at(order, "by") + " to " + of_mail(order) + " " + text_at(order, "fate") +
                            " mail of " + text_at(order, "identity")) +
                      " has not ended on " + missing_hosts(order) + ".",
                  Style::warning, view);
}

std::string render_mail(const object& answer, const View& view) {
  const bool is_held = text_at(answer, "fate") == "held";
  const auto identity = text_at(answer, "identity");
  const auto word = quota::shell_word(identity);
  Table counts({{is_held ? "HELD ON" : "SENT BY", Fit::wrap}, {"MESSAGES"}, {"OLDEST", Fit::wrap}});
  Table mail({{"TIME"}, {"HOST", Fit::wrap}, {"QUEUE ID", Fit::wrap}, {"FROM", Fit::wrap}, {"RCPT"}});
  const auto& shelves = array_at(answer, "shelves");
  for (const auto& value : shelves) {
    if (!value.is_object()) continue;
    const auto& shelf = value.get_object();
    counts.add({{text_at(shelf, "host"), Style::strong}, {count_of(shelf, "count")}, {when_text(text_at(shelf, "oldest"), view)}});
    add_mail(mail, shelf, view);
  }
  std::string text;
  if (shelves.empty()) text = sentence(is_held ? "No mail of " + identity + " is known to be held." : "No queue id of mail of " + identity + " is known.", Style::plain, view);
  else text = counts.text(view) + "\n" + mail.text(view) + "\n" +
              (is_held ? "to let it go, or to remove it\n" + command_text("sendquota held " + word + " --send --all-hosts", view) + command_text("sendquota held " + word + " --delete --all-hosts", view)
                       : "to see what is still in the queue of this host\n" + command_text("sendquota queue --of " + word + " --hold --dry-run", view));
  for (const auto& value : array_at(answer, "orders"))
    if (value.is_object()) text += "\n" + render_order(value.get_object(), view);
  return text;
}

}  // namespace milter::cli
