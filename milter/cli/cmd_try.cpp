// try: plays the MTA towards a running daemon, so that anybody can see a policy work before touching an MTA.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <optional>
#include <ostream>

#include "milter/admin/json_line.hpp"
#include "milter/cli/commands.hpp"
#include "milter/cli/progress_bar.hpp"
#include "milter/cli/table.hpp"
#include "milter/cli/try_run.hpp"
#include "milter/config.hpp"

namespace milter::cli {
namespace {

namespace json = boost::json;

struct TryArguments {
  std::string milter;  // the daemon's milter socket; empty: the configuration says
  std::string user;
  std::string sender = "sender@example.com";
  std::string client = "192.0.2.1";
  std::string script;
  std::string host = "mail.example.com";
  std::uint32_t count = 1;
  std::uint32_t recipients = 1;
};

mta::Message message_of(const TryArguments& arguments) {
  mta::Message message;
  message.mta_host = arguments.host;
  message.mail_from = arguments.sender;
  message.headers = {{"Subject", "sendquota try"}};
  message.body = "A message that is never sent.\r\n";
  for (std::uint32_t i = 1; i <= arguments.recipients; ++i) message.recipients.push_back(fmt::format("recipient{}@example.org", i));
  if (!arguments.script.empty()) {
    message.origin = mta::Origin::local;
    message.headers.push_back({"X-PHP-Originating-Script", arguments.script});
    return message;
  }
  message.client_host = "[" + arguments.client + "]";
  message.client_address = arguments.client;
  if (!arguments.user.empty()) {
    message.auth_type = "PLAIN";
    message.auth_authen = arguments.user;
  }
  return message;
}

std::string_view verdict_name(mta::Fate fate) {
  switch (fate) {
    case mta::Fate::passed: return "accept";
    case mta::Fate::held: return "quarantine";
    case mta::Fate::discarded: return "discard";
    case mta::Fate::deferred: return "tempfail";
    case mta::Fate::rejected: return "reject";
  }
  return "";
}

Style style_of(mta::Fate fate) {
  if (fate == mta::Fate::passed) return Style::good;
  return fate == mta::Fate::held || fate == mta::Fate::deferred ? Style::warning : Style::bad;
}

std::string number_text(const TryRow& row) { return row.first == row.last ? fmt::format("{}", row.first) : fmt::format("{}-{}", row.first, row.last); }

std::string table_of(const TryResult& result, const View& view) {
  Table table({{"messages"}, {"verdict"}, {"at"}, {"answer", Column::Fit::wrap}});
  for (const auto& row : result.rows)
    table.add({{number_text(row)}, {std::string(verdict_name(row.fate)), style_of(row.fate)}, {row.stage}, {row.answer}});
  return table.text(view);
}

json::object json_of(const TryResult& result) {
  json::array rows;
  for (const auto& row : result.rows)
    rows.push_back(json::object{{"first", row.first}, {"last", row.last}, {"verdict", json::string(verdict_name(row.fate))}, {"stage", row.stage}, {"answer", row.answer}});
  return {{"messages", std::move(rows)}};
}

TryResult play(const TryPlan& plan) {
  std::optional<ProgressBar> bar;
  if (::isatty(STDERR_FILENO) == 1) bar.emplace(plan.count, [](const std::string& text) { fmt::print(stderr, "{}", text); });
  return run_try(plan, [&bar](std::size_t done) {
    if (bar) bar->set_done(done);
  });
}

ExitCode give_up(Session& session, const TryResult& result, const std::string& milter) {
  const auto& error = *result.error;
  const auto told = [&](ExitCode code, const std::string& hint) { return fail(session, code, error.what, hint, json_of(result)); };
  switch (error.kind) {
    case mta::ClientError::Kind::bad_address: return told(ExitCode::usage, "");
    case mta::ClientError::Kind::denied:
      return told(ExitCode::no_permission, "run it as root, or as a member of the milter socket's group");
    default: return told(ExitCode::unavailable, "is sendquotad running, and is " + milter + " its milter socket?");
  }
}

ExitCode try_policy(Session& session, const TryArguments& arguments) {
  auto milter = arguments.milter;
  if (milter.empty()) {
    const auto config = load_config(session.options.config);
    if (!config)
      return fail(session, ExitCode::config, "the milter socket is not known: " + format(config.error().front()), "name it: --milter unix:/path");
    milter = config->milter.listen;
  }
  const auto result = play({milter, message_of(arguments), arguments.count});
  if (!session.options.json && !result.rows.empty()) session.console.out << table_of(result, session.console.view);
  if (result.error) return give_up(session, result, milter);
  if (session.options.json) session.console.out << admin::json_line(json_of(result));
  return ExitCode::ok;
}

}  // namespace

void add_try(CLI::App& app, Session& session) {
  auto* command = app.add_subcommand("try", "Play made-up messages to the daemon and show its verdicts; they are charged as real ones");
  const auto arguments = std::make_shared<TryArguments>();
  const auto add = [&](const char* name, std::string& into, const char* description) {
    return command->add_option(name, into, description)->check(not_empty());
  };
  add("--milter", arguments->milter, "The milter socket; else the one of the configuration");
  auto* user = add("--user", arguments->user, "The SMTP-AUTH login");
  command->add_option("--sender", arguments->sender, "The envelope sender; '' is the null sender")->capture_default_str();
  auto* client = add("--client", arguments->client, "The client's address")->capture_default_str()->check(CLI::Validator(
      [](std::string& text) { return quota::IpAddress::parse(text) ? std::string() : text + " is no address"; }, "ADDRESS"));
  // A script submits locally, where there is neither a login nor a client.
  add("--script", arguments->script, "A PHP script that submits locally, e.g. 1000:form.php")->excludes(user)->excludes(client);
  add("--host", arguments->host, "The MTA's own name")->capture_default_str();
  command->add_option("--count", arguments->count, "How many messages")->check(CLI::Range(1U, 1000000U));
  command->add_option("--recipients", arguments->recipients, "Recipients of each")->check(CLI::Range(1U, 100000U));
  command->callback([&session, arguments] { session.exit = try_policy(session, *arguments); });
}

}  // namespace milter::cli
