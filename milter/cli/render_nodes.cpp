// `sendquota nodes`: the daemons that share the store.
#include "milter/cli/json_reading.hpp"
#include "milter/cli/render.hpp"
#include "milter/cli/table.hpp"
#include "milter/cli/wording.hpp"

namespace milter::cli {
namespace {

using boost::json::object;
using Fit = Column::Fit;

Cell config_cell(const object& node) {
  const auto config = text_at(node, "config");
  return flag_at(node, "differs") ? Cell{config + " differs", Style::bad} : Cell{config};
}

Cell state_cell(const object& node, const View& view) {
  const auto state = text_at(node, "state"), since = text_at(node, "since");
  if (!flag_at(node, "alive") && state != "stopped") return {"silent", Style::bad};
  const auto text = state + (since.empty() ? "" : " since " + when_text(since, view));
  if (state == "degraded") return {text, Style::bad};
  return {text, Style::plain};
}

std::string sharing(const object& answer) {
  const auto counted = number_at(answer, "counted").value_or(0), alive = number_at(answer, "alive").value_or(0);
  std::string text = std::to_string(alive) + (alive == 1 ? " daemon runs, " : " daemons run, ") + std::to_string(counted) +
                     (counted == 1 ? " was" : " were") + " seen within a day.\nWithout the store each gives 1/" +
                     std::to_string(number_at(answer, "shared_by").value_or(1)) + " of every limit (store.nodes = ";
  const auto fixed = number_at(answer, "setting");
  return text + (fixed ? std::to_string(*fixed) : "\"auto\"") + ").\n";
}

}  // namespace

std::string render_nodes(const object& answer, const View& view) {
  Table table({{"NODE", Fit::wrap}, {"VERSION"}, {"CONFIG", Fit::wrap}, {"SEEN", Fit::wrap}, {"STATE", Fit::wrap}});
  for (const auto& value : array_at(answer, "nodes")) {
    if (!value.is_object()) continue;
    const auto& node = value.get_object();
    table.add({{text_at(node, "node"), flag_at(node, "self") ? Style::strong : Style::plain},
               {text_at(node, "version")},
               config_cell(node),
               {when_text(text_at(node, "seen"), view)},
               state_cell(node, view)});
  }
  return table.text(view) + sharing(answer) + render_doubt(answer, view);
}

}  // namespace milter::cli
