#include "milter/cli/app.hpp"

#include <CLI/CLI.hpp>
#include <ostream>
#include <sstream>

#include "milter/admin/api.hpp"
#include "milter/cli/commands.hpp"

namespace milter::cli {
namespace {

constexpr const char* exit_codes =
    "Exit codes: 0 done; 1 the answer is no (not found, refused); 64 the command\n"
    "line, an identity, a limit or a duration cannot be understood; 69 the daemon or\n"
    "its store cannot be reached; 70 a bug; 77 not permitted; 78 the configuration\n"
    "has problems.";

void add_options(CLI::App& app, Options& options) {
  options.socket = admin::default_socket_path;
  options.config = "/etc/sendquota/sendquota.toml";
  app.set_version_flag("--version", "sendquota " SENDQUOTA_VERSION);
  app.add_option("--socket", options.socket, "The daemon's admin socket")->capture_default_str();
  app.add_option("--config", options.config, "The configuration, for try and check-config")->capture_default_str();
  app.add_flag("--json", options.json, "Print the answer as JSON");
}

// CLI11 does not wrap; descriptions begin at its column 30.
std::string wrapped_help(const std::string& help) {
  constexpr std::size_t width = 80, description = 30;
  std::istringstream lines(help);
  std::string text;
  for (std::string line; std::getline(lines, line); text += line + "\n") {
    while (line.size() > width) {
      const auto space = line.rfind(' ', width);
      if (space == std::string::npos || space <= description) break;
      text += line.substr(0, space) + "\n";
      line = std::string(description, ' ') + line.substr(space + 1);
    }
  }
  return text;
}

}  // namespace

ExitCode run(int argc, const char* const* argv, Console& console) {
  Session session{.console = console};
  CLI::App app("Shows and changes what sendquotad allows senders to send.", "sendquota");
  app.fallthrough();  // global options may stand after the subcommand
  app.require_subcommand(1);
  app.footer(exit_codes);
  add_options(app, session.options);
  add_look_commands(app, session);
  add_act_commands(app, session);
  add_mode_command(app, session);
  add_check_config(app, session);
  add_try(app, session);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    console.out << wrapped_help(app.help());
    return ExitCode::ok;
  } catch (const CLI::RequiredError& error) {
    const auto typed = app.get_subcommands().empty() ? app.remaining() : std::vector<std::string>();
    if (typed.empty()) return static_cast<void>(app.exit(error, console.out, console.err)), ExitCode::usage;
    return fail(session, ExitCode::usage, "there is no command \"" + typed.front() + "\"", "sendquota --help lists them");
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error, console.out, console.err);
    return code == 0 ? ExitCode::ok : ExitCode::usage;  // 0: --version
  }
  return session.exit;
}

}  // namespace milter::cli
