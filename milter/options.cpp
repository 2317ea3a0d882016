#include "milter/options.hpp"

#include <CLI/CLI.hpp>

namespace milter {
namespace {

constexpr int usage_error = 64;  // EX_USAGE

}  // namespace

std::variant<Options, int> parse_options(int argc, char** argv) {
  Options options;
  std::string to_check;
  CLI::App app("sendquotad: a milter that holds the senders of a mail cluster to their quotas");
  app.add_option("-c,--config", options.config, "The configuration")->capture_default_str();
  auto* check = app.add_option("-t,--check-config", to_check, "Check this configuration (or --config's), say what it allows, and end")->expected(0, 1);
  app.set_version_flag("--version", "sendquotad " SENDQUOTA_VERSION);
  app.footer("Signals: SIGHUP reloads the configuration, SIGTERM and SIGINT stop after the messages in flight.\n"
             "Exit codes: 0 well, 1 cannot run, 64 wrong usage, 78 the configuration has problems.");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : usage_error;
  }
  if (check->count() > 0) {
    options.task = Options::Task::check_config;
    if (!to_check.empty()) options.config = to_check;
  }
  return options;
}

}  // namespace milter
