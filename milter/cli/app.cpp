#include "milter/cli/app.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <ostream>
#include <sstream>
#include <vector>

#include "milter/admin/api.hpp"
#include "milter/admin/json_line.hpp"
#include "milter/cli/commands.hpp"
#include "quota/text.hpp"

namespace milter::cli {
namespace {

using Words = std::vector<std::string>;

constexpr const char* exit_codes =
    "Exit codes: 0 done; 1 the answer is no (not found, refused); 64 the command\n"
    "line, an identity, a limit or a duration cannot be understood; 69 the daemon or\n"
    "its store cannot be reached; 70 a bug; 77 not permitted; 78 the configuration\n"
    "has problems. With --json the output is one JSON document; see sendquota(1).";

void add_options(CLI::App& app, Options& options) {
  options.socket = admin::default_socket_path;
  options.config = "/etc/sendquota/sendquota.toml";
  app.set_version_flag("--version", "sendquota " SENDQUOTA_VERSION);
  app.add_option("--socket", options.socket, "The daemon's admin socket")->capture_default_str()->check(not_empty());
  app.add_option("--config", options.config, "The configuration, for try and check-config")
      ->capture_default_str()
      ->check(not_empty());
  app.add_flag("--json", options.json, "Print the answer as JSON")->disable_flag_override();
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

/// Known before all else, because a command line that cannot be understood is answered in JSON too.
bool wants_json(const Words& words) {
  const auto end = std::find(words.begin(), words.end(), "--");
  return std::find(words.begin(), end, "--json") != end;
}

ExitCode print(Session& session, const char* key, const std::string& value, const std::string& text) {
  session.console.out << (session.options.json ? admin::json_line(boost::json::object{{key, value}}) : text);
  return ExitCode::ok;
}

ExitCode misunderstood(Session& session, const CLI::App& app, const CLI::ParseError& error) {
  const auto commands = app.get_subcommands();
  const auto typed = app.remaining();
  const bool lacks_command = dynamic_cast<const CLI::RequiredError*>(&error) != nullptr && commands.empty();
  if (lacks_command && !typed.empty())
    return fail(session, ExitCode::usage, "there is no command \"" + typed.front() + "\"", "sendquota --help lists them");
  if (commands.empty()) return fail(session, ExitCode::usage, error.what(), "sendquota --help lists the commands");
  return fail(session, ExitCode::usage, error.what(), "sendquota " + commands.front()->get_name() + " --help says more");
}

ExitCode parse(Session& session, CLI::App& app, int argc, const char* const* argv) {
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    const auto help = wrapped_help(app.help());
    return print(session, "help", help, help);
  } catch (const CLI::CallForVersion& version) {
    return print(session, "version", SENDQUOTA_VERSION, version.what() + std::string("\n"));
  } catch (const CLI::ParseError& error) {
    return misunderstood(session, app, error);
  }
  return session.exit;
}

}  // namespace

CLI::Validator not_empty() {
  return {[](std::string& text) { return text.empty() ? "an empty text says nothing; write one, or leave it out" : ""; },
          ""};
}

CLI::Option* add_duration(CLI::App& command, std::optional<std::string>& into, const std::string& description) {
  return command.add_option("--for", into, description)->check(not_empty());
}

ExitCode run(int argc, const char* const* argv, Console& console) {
  Session session{.console = console};
  const Words words(argv + 1, argv + argc);
  session.options.json = wants_json(words);
  for (const auto& word : words)
    if (!quota::is_utf8(word))
      return fail(session, ExitCode::usage, "\"" + quota::valid_utf8(word) + "\" is not UTF-8",
                  "in an identity write such a byte as %XX, for example user:caf%E9");
  CLI::App app("Shows and changes what sendquotad allows senders to send.", "sendquota");
  app.fallthrough();  // global options may stand after the subcommand
  app.require_subcommand(1);
  app.footer(exit_codes);
  add_options(app, session.options);
  add_look_commands(app, session);
  add_past_commands(app, session);
  add_act_commands(app, session);
  add_queue_commands(app, session);
  add_mode_command(app, session);
  add_check_config(app, session);
  add_try(app, session);
  return parse(session, app, argc, argv);
}

}  // namespace milter::cli
