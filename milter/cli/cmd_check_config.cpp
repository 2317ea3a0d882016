// check-config: what is wrong with a configuration, and what each quota of a good one allows. Needs no daemon.
#include <CLI/CLI.hpp>
#include <memory>

#include "milter/cli/commands.hpp"

namespace milter::cli {
namespace {

ExitCode check_config(Session& session, const std::string& file) {
  return fail(session, ExitCode::software, "check-config is not built in yet: " + file,
              "use sendquotad --check-config FILE");
}

}  // namespace

void add_check_config(CLI::App& app, Session& session) {
  auto* command = app.add_subcommand("check-config", "Check a configuration and print what each quota allows");
  const auto file = std::make_shared<std::string>();
  command->add_option("FILE", *file, "The file; else the one of --config");
  command->callback(
      [&session, file] { session.exit = check_config(session, file->empty() ? session.options.config : *file); });
}

}  // namespace milter::cli
