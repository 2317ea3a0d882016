// check-config: what is wrong with a configuration, and what each quota of a good one allows. Needs no daemon.
#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <memory>
#include <ostream>

#include "milter/admin/json_line.hpp"
#include "milter/cli/commands.hpp"
#include "milter/config_report.hpp"

namespace milter::cli {
namespace {

namespace json = boost::json;

json::object json_of(const YieldRow& row) {
  return {{"what", row.what},
          {"unit", json::string(quota::name(row.unit))},
          {"at_once", row.most.at_once},
          {"in_period", row.most.in_period ? json::value(*row.most.in_period) : json::value(nullptr)},
          {"in_hour", row.most.in_hour},
          {"in_day", row.most.in_day},
          {"in_month", row.most.in_month}};
}

json::object json_of(const ConfigReport& report) {
  json::array grants;
  for (const auto& grant : report.grants) {
    json::array rows;
    for (const auto& row : grant.rows) rows.push_back(json_of(row));
    grants.push_back(json::object{{"title", grant.title}, {"notes", json::value_from(grant.notes)}, {"rows", std::move(rows)}});
  }
  return {{"grants", std::move(grants)}, {"warnings", json::value_from(report.warnings)}};
}

ExitCode refuse(Session& session, const std::vector<Problem>& problems) {
  if (!session.options.json) {
    session.console.err << format(problems);
    return ExitCode::config;
  }
  json::array lines;
  for (const auto& problem : problems) lines.emplace_back(format(problem));
  return fail(session, ExitCode::config, "the configuration has problems", "", {{"problems", std::move(lines)}});
}

ExitCode check_config(Session& session, const std::string& file) {
  const auto config = load_config(file);
  if (!config) return refuse(session, config.error());
  const auto report = report_on(*config);
  if (session.options.json)
    session.console.out << admin::json_line(json_of(report));
  else
    session.console.out << to_text(report);
  return ExitCode::ok;
}

}  // namespace

void add_check_config(CLI::App& app, Session& session) {
  auto* command = app.add_subcommand("check-config", "Check a configuration and print what each quota allows");
  const auto file = std::make_shared<std::string>();
  command->add_option("FILE", *file, "The file; else the one of --config")->check(not_empty());
  command->callback(
      [&session, file] { session.exit = check_config(session, file->empty() ? session.options.config : *file); });
}

}  // namespace milter::cli
