// mode: enforce or observe, for the whole cluster.
#include <CLI/CLI.hpp>
#include <memory>

#include "milter/cli/commands.hpp"

namespace milter::cli {
namespace {

struct ModeArguments {
  std::string mode;
  std::optional<std::string> lasting;
};

Call call_for(const ModeArguments& arguments) {
  if (arguments.mode.empty()) return {"GET", "/v1/mode"};
  if (arguments.mode == "config") return {"DELETE", "/v1/mode"};
  Call call{"PUT", "/v1/mode", {{"mode", arguments.mode}}};
  if (arguments.lasting) call.body["for"] = *arguments.lasting;
  return call;
}

}  // namespace

void add_mode_command(CLI::App& app, Session& session) {
  auto* command = app.add_subcommand("mode", "Show or switch the mode of the whole cluster");
  const auto arguments = std::make_shared<ModeArguments>();
  auto* mode = command
                   ->add_option("MODE", arguments->mode,
                                "observe: decide, count and log, but let mail pass; enforce; config: as configured")
                   ->check(CLI::IsMember({"observe", "enforce", "config"}));
  add_duration(*command, arguments->lasting, "How long, e.g. 2h; then as configured")->needs(mode);
  command->callback([&session, arguments] {
    if (arguments->mode == "config" && arguments->lasting)
      session.exit = fail(session, ExitCode::usage, "'mode config' has no end", "leave --for out");
    else
      session.exit = ask(session, call_for(*arguments), render_mode);
  });
}

}  // namespace milter::cli
