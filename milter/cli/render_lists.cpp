// `sendquota blocked` and `sendquota limits`: the two tables.
#include "milter/cli/json_reading.hpp"
#include "milter/cli/render.hpp"
#include "milter/cli/table.hpp"
#include "milter/cli/wording.hpp"

namespace milter::cli {
namespace {

using boost::json::object;
using Fit = Column::Fit;

// What the daemon could not understand, in place of what it could have said.
Cell text_or_error(const object& entry, std::string_view key) {
  const auto error = text_at(entry, "error");
  if (error.empty()) return {text_at(entry, key)};
  // What stands in a table begins with the word already.
  return {error.starts_with("ERROR:") ? error : "ERROR: " + error, Style::bad};
}

std::string counted(std::size_t count, std::string_view one, std::string_view many) {
  return std::to_string(count) + " " + std::string(count == 1 ? one : many) + "\n";
}

template <class Row>
std::size_t add_rows(Table& table, const boost::json::array& entries, Row row) {
  std::size_t rows = 0;
  for (const auto& value : entries) {
    if (!value.is_object()) continue;
    table.add(row(value.get_object()));
    ++rows;
  }
  return rows;
}

}  // namespace

std::string render_blocked(const object& answer, const View& view) {
  Table table({{"IDENTITY", Fit::wrap}, {"UNTIL", Fit::wrap}, {"ACTION"}, {"BY", Fit::wrap}, {"REASON", Fit::wrap}});
  const auto rows = add_rows(table, array_at(answer, "blocked"), [&view](const object& block) -> std::vector<Cell> {
    const auto until = text_at(block, "until");
    return {{text_at(block, "identity"), Style::strong},
            {until.empty() ? "released" : when_text(until, view)},
            {text_at(block, "action")},
            {flag_at(block, "by_hand") ? "hand" : text_at(block, "quota")},
            text_or_error(block, "reason")};
  });
  const auto text = rows ? table.text(view) + counted(rows, "sender is blocked", "senders are blocked") : "Nobody is blocked.\n";
  return text + render_doubt(answer, view);
}

std::string render_limits(const object& answer, const View& view) {
  Table table({{"IDENTITY", Fit::wrap},
               {"QUOTA"},
               {"LIMIT", Fit::wrap},
               {"SINCE", Fit::wrap},
               {"UNTIL", Fit::wrap},
               {"BY", Fit::wrap}});
  std::size_t errors = 0;
  const auto rows = add_rows(table, array_at(answer, "limits"), [&](const object& limit) -> std::vector<Cell> {
    const auto until = text_at(limit, "until");
    if (!text_at(limit, "error").empty()) ++errors;
    return {{text_at(limit, "identity"), Style::strong},
            {text_at(limit, "quota")},
            text_or_error(limit, "limit"),
            {when_text(text_at(limit, "since"), view)},
            {until.empty() ? "changed" : when_text(until, view)},
            {text_at(limit, "by")}};
  });
  const auto doubt = render_doubt(answer, view);
  if (rows == 0) return "There are no live limits.\n" + doubt;
  const auto limits = table.text(view) + counted(rows - errors, "live limit", "live limits");
  if (errors == 0) return limits + doubt;
  return limits + doubt + sentence(std::to_string(errors) + (errors == 1 ? " entry" : " entries") +
                               " not understood; what is not understood counts for nothing",
                           Style::bad, view);
}

}  // namespace milter::cli
