// release, block, limit, reload: commands that change something.
#include <CLI/CLI.hpp>
#include <memory>
#include <vector>

#include "milter/admin/target.hpp"
#include "milter/cli/commands.hpp"
#include "milter/cli/identity_argument.hpp"

namespace milter::cli {
namespace {

struct Arguments {
  std::string identity;
  std::string quota;
  std::vector<std::string> limit;  // may come unquoted, in several words
  std::optional<std::string> lasting;
  std::string reason;
};

boost::json::object body_of(const Arguments& arguments) {
  boost::json::object body;
  if (arguments.lasting) body["for"] = *arguments.lasting;
  if (!arguments.reason.empty()) body["reason"] = arguments.reason;
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

void add_release(CLI::App& app, Session& session) {
  const auto [command, arguments] = add(app, "release", "Lift a block and its ladder, refill the quotas");
  command->alias("unblock");
  command->add_option("--reason", arguments->reason, "Why; goes into the event");
  command->callback([&session, held = arguments] { session.exit = post(session, *held, "release", render_released); });
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
