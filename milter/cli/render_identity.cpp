// `sendquota show`: one sender.
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

Table facts() { return Table({{"", Fit::whole}, {"", Fit::wrap}}); }

void add_block(Table& table, const object& block, const View& view) {
  std::string text = until_text(block, "until released", view) + ", action " + text_at(block, "action");
  text += flag_at(block, "by_hand") ? ", by hand" : ", quota " + text_at(block, "quota");
  if (const auto step = number_at(block, "step")) text += ", step " + std::to_string(*step);
  if (const auto id = text_at(block, "id"); !id.empty()) text += ", id " + id;
  table.add({{"blocked"}, {text, Style::bad}});
  table.add({{"since"}, {when_text(text_at(block, "since"), view)}});
  if (const auto reason = text_at(block, "reason"); !reason.empty()) table.add({{"reason"}, {reason}});
  if (const auto error = text_at(block, "error"); !error.empty())
    table.add({{"error"}, {"the block cannot be understood: " + error, Style::bad}});
}

std::string facts_of(const object& identity, const View& view) {
  auto table = facts();
  const auto& block = object_at(identity, "blocked");
  if (block.empty()) table.add({{"blocked"}, {"no", Style::good}});
  if (!block.empty()) add_block(table, block, view);
  if (const auto account = text_at(identity, "account"); !account.empty()) table.add({{"account"}, {account}});
  if (const auto exempt = text_at(identity, "exempt"); !exempt.empty())
    table.add({{"exempt"}, {exempt, Style::warning}});
  const auto& ladder = object_at(identity, "ladder");
  if (const auto step = number_at(ladder, "step"))
    table.add({{"ladder"},
               {"step " + std::to_string(*step) + ", forgotten " + when_text(text_at(ladder, "forget_at"), view)}});
  for (const auto& value : array_at(identity, "held")) {
    if (!value.is_object()) continue;
    const auto& held = value.get_object();
    table.add({{"held"},
               {std::to_string(number_at(held, "count").value_or(0)) + " messages on " + text_at(held, "host") +
                ", at most " + std::to_string(number_at(held, "max").value_or(0))}});
  }
  return table.text(view);
}

std::string limits_of(const object& identity, const View& view) {
  Table table({{"QUOTA"}, {"USED", Fit::wrap}, {"FULL AGAIN"}, {"SOURCE", Fit::wrap}});
  std::size_t rows = 0;
  for (const auto& value : array_at(identity, "limits")) {
    if (!value.is_object()) continue;
    const auto& limit = value.get_object();
    const bool bucket = number_at(limit, "used").has_value();
    const auto full_at = text_at(limit, "full_at");
    table.add({{text_at(limit, "quota")},
               {use_text(limit), use_style(limit)},
               {!bucket           ? ""
                : full_at.empty() ? "is full"
                                  : when_text(full_at, view)},
               {text_at(limit, "source") + (flag_at(limit, "observed") ? ", observed" : "")}});
    ++rows;
  }
  return rows ? "\n" + table.text(view) : "\n" + paint("No quota covers this sender.", Style::warning, view) + "\n";
}

std::string refusals_of(const object& identity, const View& view) {
  Table table({{"QUOTA"}, {"REFUSALS"}, {"SINCE"}});
  std::size_t rows = 0;
  for (const auto& value : array_at(identity, "refusals")) {
    if (!value.is_object()) continue;
    const auto& refused = value.get_object();
    table.add({{text_at(refused, "quota")},
               {std::to_string(number_at(refused, "count").value_or(0)) + " of " +
                std::to_string(number_at(refused, "of").value_or(0)) + " in " + text_at(refused, "window")},
               {when_text(text_at(refused, "since"), view)}});
    ++rows;
  }
  return rows ? "\n" + table.text(view) : "";
}

}  // namespace

std::string render_identity(const object& identity, const View& view) {
  const auto who = text_at(identity, "identity");
  std::string text = sentence(who, Style::strong, view) + facts_of(identity, view) + limits_of(identity, view) +
                     refusals_of(identity, view) + render_history(identity, view);
  if (!object_at(identity, "blocked").empty()) text += "\nto release it\n" + command_text("sendquota release " + quota::shell_word(who), view);
  return text;
}

}  // namespace milter::cli
