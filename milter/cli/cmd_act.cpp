// release, block, limit, reload: commands that change something.
#include <CLI/CLI.hpp>
#include <memory>
#include <ostream>
#include <vector>

#include "milter/admin/target.hpp"
#include "milter/cli/commands.hpp"
#include "milter/cli/identity_argument.hpp"
#include "milter/cli/json_reading.hpp"
#include "quota/time_text.hpp"

namespace milter::cli {
namespace {

struct Arguments {
  std::string identity;
  std::string quota;
  std::vector<std::string> limit;  // may come unquoted, in several words
  std::optional<std::string> lasting;
  std::string reason;
  std::string held;
  std::string wait = "30s";  // for the hosts whose held mail it is
};

boost::json::object body_of(const Arguments& arguments) {
  boost::json::object body;
  if (arguments.lasting) body["for"] = *arguments.lasting;
  if (!arguments.reason.empty()) body["reason"] = arguments.reason;
  if (!arguments.held.empty()) body["held"] = arguments.held;
  return body;
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const auto& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

// `*`, everybody, is for limits only: nobody shall block the whole cluster by a quoting mistake.
quota::Result<std::string, BadIdentity> limited_identity(const std::string& typed) {
  if (typed == "*") return typed;
  return identity_from(typed);
}

std::string target_of(const std::string& identity, const std::string& rest) {
  return "/v1/identities/" + admin::percent_encode(identity) + rest;
}

ExitCode post(Session& session, const Arguments& arguments, const std::string& action, Render render) {
  const auto identity = identity_from(arguments.identity);
  if (!identity) return fail(session, ExitCode::usage, identity.error().what, "");
  return ask(session, {"POST", target_of(*identity, "/" + action), body_of(arguments)}, render);
}

ExitCode limit(Session& session, const Arguments& arguments) {
  const auto identity = limited_identity(arguments.identity);
  if (!identity) return fail(session, ExitCode::usage, identity.error().what, "");
  const auto target = target_of(*identity, "/limits/" + admin::percent_encode(arguments.quota));
  const auto text = joined(arguments.limit);
  if (text == "remove") return ask(session, {"DELETE", target}, render_limit_removed);
  auto body = body_of(arguments);
  body["limit"] = text;
  return ask(session, {"PUT", target, std::move(body)}, render_limit);
}

struct Added {
  CLI::App* command;
  std::shared_ptr<Arguments> arguments;
};

Added add(CLI::App& app, const char* name, const char* description) {
  auto* command = app.add_subcommand(name, description);
  const auto arguments = std::make_shared<Arguments>();
  command->add_option("ID", arguments->identity, "kind:value, or an address, which means user:")->required();
  return {command, arguments};
}

/// What becomes of held mail is told when the hosts have.
ExitCode release(Session& session, const Arguments& arguments) {
  if (arguments.held.empty() || arguments.held == "keep") return post(session, arguments, "release", render_released);
  const auto identity = identity_from(arguments.identity);
  if (!identity) return fail(session, ExitCode::usage, identity.error().what, "");
  const auto patience = quota::parse_duration(arguments.wait);
  if (!patience) return fail(session, ExitCode::usage, patience.error(), "");
  const Call call{"POST", target_of(*identity, "/release"), body_of(arguments)};
  const auto answer = session.console.connect(session.options.socket)->ask(call);
  if (!answer) return fail(session, exit_code_of(answer.error().kind), answer.error().what, answer.error().hint);
  const auto code = exit_code_of(answer->status);
  if (code != ExitCode::ok) return fail(session, code, text_at(answer->body, "error"), text_at(answer->body, "hint"));
  const auto& order = object_at(answer->body, "order");
  if (session.options.json && order.empty()) session.console.out << answer->text << "\n";
  if (!session.options.json) session.console.out << render_released(answer->body, session.console.view) << std::flush;
  if (order.empty()) {
    if (!session.options.json) session.console.out << "No mail is known to be held.\n";
    return ExitCode::ok;
  }
  return follow_order(session, order, *identity, *patience);
}

void add_release(CLI::App& app, Session& session) {
  const auto [command, arguments] = add(app, "release", "Lift a block and its ladder, refill the quotas");
  command->alias("unblock");
  command->add_option("--reason", arguments->reason, "Why; goes into the event");
  command->add_option("--held", arguments->held, "What becomes of its held mail on all hosts: send, delete or keep")->check(CLI::IsMember({"send", "delete", "keep"}));
  command->add_option("--wait", arguments->wait, "How long to wait for all hosts with held mail")->capture_default_str();
  command->callback([&session, held = arguments] { session.exit = release(session, *held); });
}

void add_block(CLI::App& app, Session& session) {
  const auto [command, arguments] = add(app, "block", "Block a sender, in every mode, until released");
  add_duration(*command, arguments->lasting, "How long, e.g. 1h; else until released");
  command->add_option("--reason", arguments->reason, "Why; the sender sees it if it begins with public:");
  command->callback([&session, held = arguments] { session.exit = post(session, *held, "block", render_block); });
}

void add_limit(CLI::App& app, Session& session) {
  const auto [command, arguments] = add(app, "limit", "Give a sender (or *, everybody) another limit");
  command->add_option("QUOTA", arguments->quota, "The quota's name, or * for every quota")->required();
  command
      ->add_option("LIMIT", arguments->limit,
                   "e.g. '5000 messages / 1d'; unlimited, none, inherit; remove: take the live limit away")
      ->required();
  add_duration(*command, arguments->lasting, "How long, e.g. 1d; else until it is changed");
  command->callback([&session, held = arguments] { session.exit = limit(session, *held); });
}

}  // namespace

void add_act_commands(CLI::App& app, Session& session) {
  add_release(app, session);
  add_block(app, session);
  add_limit(app, session);
  auto* command = app.add_subcommand("reload", "Read the configuration again, or refuse it whole");
  command->callback([&session] { session.exit = ask(session, {"POST", "/v1/reload"}, render_reloaded); });
}

}  // namespace milter::cli
