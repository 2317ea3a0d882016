// status, show, top, blocked, limits, nodes: commands that change nothing.
#include <CLI/CLI.hpp>
#include <chrono>
#include <memory>
#include <ostream>
#include <thread>

#include "milter/admin/target.hpp"
#include "milter/cli/commands.hpp"
#include "milter/cli/identity_argument.hpp"

namespace milter::cli {
namespace {

constexpr std::chrono::seconds watch_every{2};

struct Look {
  const char* name;
  const char* description;
  const char* target;
  Render render;
};

constexpr Look looks[] = {
    {"status", "The daemon, its store, its mode, its counts", "/v1/status", render_status},
    {"blocked", "Who is blocked, until when and why", "/v1/blocked", render_blocked},
    {"nodes", "The daemons that share the store, and who is the odd one out", "/v1/nodes", render_nodes},
    {"limits", "The live limits, with age and end", "/v1/limits", render_limits},
};

ExitCode show(Session& session, const std::string& typed) {
  const auto identity = identity_from(typed);
  if (!identity) return fail(session, ExitCode::usage, identity.error().what, "");
  return ask(session, {"GET", "/v1/identities/" + admin::percent_encode(*identity)}, render_identity);
}

/// As ask(), again and again; a daemon that is away for a while is asked on. On a terminal each answer takes the place of the last.
ExitCode watch(Session& session, const Call& call, Render render) {
  for (;; std::this_thread::sleep_for(watch_every)) {
    if (session.console.view.colours == Colours::always) session.console.out << "\x1b[H\x1b[2J";
    const auto code = ask(session, call, render);
    session.console.out << std::flush;
    if (code == ExitCode::usage || code == ExitCode::no_permission || !session.console.out) return code;
  }
}

void add_top(CLI::App& app, Session& session) {
  struct Typed {
    std::string by = "messages", per = "user", since = "1h", count = "20";
    bool watch = false;
  };
  const auto typed = std::make_shared<Typed>();
  auto* command = app.add_subcommand("top", "Who sends the most, of whole hours");
  command->add_option("--by", typed->by, "messages, recipients, refused, held or networks")->capture_default_str()->check(not_empty());
  command->add_option("--per", typed->per, "user, script, uid, client, … (record.per)")->capture_default_str()->check(not_empty());
  command->add_option("--since", typed->since, "how long ago, as in 30m or 7d")->capture_default_str()->check(not_empty());
  command->add_option("--count", typed->count, "how many, 1 to 1000")->capture_default_str()->check(not_empty());
  command->add_flag("--watch", typed->watch, "again each 2 s, until it is interrupted")->disable_flag_override();
  command->callback([&session, typed] {
    using admin::percent_encode;
    const Call call{"GET", "/v1/top?by=" + percent_encode(typed->by) + "&per=" + percent_encode(typed->per) + "&since=" + percent_encode(typed->since) +
                               "&count=" + percent_encode(typed->count)};
    session.exit = typed->watch ? watch(session, call, render_top) : ask(session, call, render_top);
  });
}

}  // namespace

void add_look_commands(CLI::App& app, Session& session) {
  for (const auto& look : looks) {
    auto* command = app.add_subcommand(look.name, look.description);
    command->callback([&session, &look] { session.exit = ask(session, {"GET", look.target}, look.render); });
  }
  add_top(app, session);
  auto* command = app.add_subcommand("show", "One sender: limits and their use, the block, what it sent");
  const auto typed = std::make_shared<std::string>();
  command->add_option("ID", *typed, "kind:value, or an address, which means user:")->required();
  command->callback([&session, typed] { session.exit = show(session, *typed); });
}

}  // namespace milter::cli
