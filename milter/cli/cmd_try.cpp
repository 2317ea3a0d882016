// try: plays the MTA towards a running daemon, so that anybody can see a policy work before touching an MTA.
#include <CLI/CLI.hpp>
#include <memory>

#include "milter/cli/commands.hpp"

namespace milter::cli {
namespace {

struct TryArguments {
  std::string milter;  // the daemon's milter socket; empty: the configuration says
  std::string user;
  std::string sender;
  std::string client;
  std::string script;
  std::uint32_t count = 1;
  std::uint32_t recipients = 1;
};

ExitCode try_policy(Session& session, const TryArguments&) {
  return fail(session, ExitCode::software, "try is not built in yet", "");
}

}  // namespace

void add_try(CLI::App& app, Session& session) {
  auto* command = app.add_subcommand("try", "Send made-up messages through the daemon and show its verdicts");
  const auto arguments = std::make_shared<TryArguments>();
  command->add_option("--milter", arguments->milter, "The milter socket; else the one of the configuration");
  command->add_option("--user", arguments->user, "The SMTP-AUTH login");
  command->add_option("--sender", arguments->sender, "The envelope sender");
  command->add_option("--client", arguments->client, "The client's address");
  command->add_option("--script", arguments->script, "A PHP script that submits locally, e.g. 1000:form.php");
  command->add_option("--count", arguments->count, "How many messages")->check(CLI::Range(1U, 1000000U));
  command->add_option("--recipients", arguments->recipients, "Recipients of each")->check(CLI::Range(1U, 100000U));
  command->callback([&session, arguments] { session.exit = try_policy(session, *arguments); });
}

}  // namespace milter::cli
