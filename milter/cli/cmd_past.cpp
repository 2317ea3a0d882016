// events, who, incident, report: what happened, whose a message was, the whole story of one sender, and that of a day.
#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>
#include <ostream>
#include <thread>

#include "milter/admin/json_line.hpp"
#include "milter/admin/target.hpp"
#include "milter/cli/commands.hpp"
#include "milter/cli/identity_argument.hpp"
#include "milter/cli/json_reading.hpp"

namespace milter::cli {
namespace {

using namespace std::chrono_literals;
constexpr auto follow_every = 1s;
constexpr const char* most_at_once = "1000";

struct Typed {
  std::string identity, name, count = "20", since = "1d";
  bool follow = false;
};

std::string events_target(const std::string& identity, const std::string& after, const std::string& count) {
  using admin::percent_encode;
  return "/v1/events?identity=" + percent_encode(identity) + "&after=" + percent_encode(after) + "&count=" + percent_encode(count);
}

/// Until it is interrupted: what happened, then what happens. A daemon that does not answer is said once, and asked on.
ExitCode follow(Session& session, const std::string& identity, std::string count) {
  bool is_away = false;
  for (std::string after = "0-0";; std::this_thread::sleep_for(follow_every)) {
    const auto answer = session.console.connect(session.options.socket)->ask({"GET", events_target(identity, after, count)});
    if (answer && exit_code_of(answer->status) == ExitCode::usage) return ask(session, {"GET", events_target(identity, after, count)}, render_events);
    if (!answer || exit_code_of(answer->status) != ExitCode::ok) {
      if (!std::exchange(is_away, true))
        session.console.err << render_error(answer ? answer->body : boost::json::object{{"error", answer.error().what}}, {.now = session.console.view.now}) << std::flush;
      continue;
    }
    is_away = false;
    if (const auto last = text_at(answer->body, "last"); !last.empty()) after = last;
    count = most_at_once;
    if (array_at(answer->body, "events").empty()) continue;
    auto view = session.console.view;
    if (session.console.clock) view.now = session.console.clock();
    session.console.out << (session.options.json ? answer->text + (answer->text.ends_with('\n') ? "" : "\n") : render_events(answer->body, view)) << std::flush;
    if (!session.console.out) return ExitCode::ok;  // who reads has gone
  }
}

ExitCode events(Session& session, const Typed& typed) {
  std::string identity;
  if (!typed.identity.empty()) {
    const auto known = identity_from(typed.identity);
    if (!known) return fail(session, ExitCode::usage, known.error().what, "");
    identity = *known;
  }
  if (typed.follow) return follow(session, identity, typed.count);
  return ask(session, {"GET", events_target(identity, "", typed.count)}, render_events);
}

struct Question {
  const char* key;     // of the answer in the whole
  std::string target;
  const char* part;    // of the answer; empty: all of it
  bool may_be_refused = false;  // it is null then
};

/// Several answers as one. The first that cannot be had is the outcome.
ExitCode ask_all(Session& session, const std::vector<Question>& questions, Render render) {
  boost::json::object whole;
  for (const auto& [key, target, part, may_be_refused] : questions) {
    const Call call{"GET", target};
    const auto answer = session.console.connect(session.options.socket)->ask(call);
    if (may_be_refused && answer && exit_code_of(answer->status) == ExitCode::no) {
      whole[key] = nullptr;
      continue;
    }
    if (!answer || exit_code_of(answer->status) != ExitCode::ok) return ask(session, call, render);  // says why
    whole[key] = *part == '\0' ? boost::json::value(answer->body) : boost::json::value(array_at(answer->body, part));
  }
  auto view = session.console.view;
  if (session.console.clock) view.now = session.console.clock();
  session.console.out << (session.options.json ? admin::json_line(std::move(whole)) : render(whole, view));
  return ExitCode::ok;
}

ExitCode incident(Session& session, const Typed& typed) {
  const auto identity = identity_from(typed.identity);
  if (!identity) return fail(session, ExitCode::usage, identity.error().what, "");
  const auto sender = "/v1/identities/" + admin::percent_encode(*identity);
  return ask_all(session, {{"identity", sender, ""}, {"events", events_target(*identity, "", "50"), "events"}, {"mail", sender + "/mail", "", true}}, render_incident);
}

ExitCode report(Session& session, const Typed& typed) {
  const auto since_when = "&since=" + admin::percent_encode(typed.since);
  const auto since = since_when + "&count=10";
  return ask_all(session,
                 {{"status", "/v1/status", ""},
                  {"most_in_30_days", "/v1/top?since=30d&count=10", "top"},
                  {"scripts", "/v1/top?per=script" + since, "top"},
                  {"top", "/v1/top?by=messages" + since, ""},
                  {"refused", "/v1/top?by=refused" + since, "top"},
                  {"networks", "/v1/top?by=networks" + since, "top"},
                  {"blocked", "/v1/blocked", "blocked"},
                  {"limits", "/v1/limits", "limits"},
                  {"held", "/v1/held", "held"},
                  {"orders", "/v1/orders", "orders"},
                  {"events", "/v1/events?only=daily" + since_when + "&count=" + std::to_string(most_reported), "events"}},
                 render_report);
}

CLI::App* add_count(CLI::App* command, Typed& typed) {
  command->add_option("--count", typed.count, "how many, 1 to 1000")->capture_default_str()->check(not_empty());
  return command;
}

}  // namespace

void add_past_commands(CLI::App& app, Session& session) {
  const auto typed = std::make_shared<Typed>();
  auto* command = add_count(app.add_subcommand("events", "What happened: blocks, releases, warnings, outages; the newest last"), *typed);
  command->add_option("ID", typed->identity, "of one sender only")->check(not_empty());
  command->add_flag("--follow", typed->follow, "go on as more happens")->disable_flag_override();
  command->callback([&session, typed] { session.exit = events(session, *typed); });

  command = add_count(app.add_subcommand("who", "Whose message it was, by queue id, Message-ID, client or header"), *typed);
  command->add_option("NAME", typed->name, "a queue id, a Message-ID, a client's address, or text of a header in record.evidence_headers")->required()->check(not_empty());
  command->callback([&session, typed] {
    using admin::percent_encode;
    session.exit = ask(session, {"GET", "/v1/who?name=" + percent_encode(typed->name) + "&count=" + percent_encode(typed->count)}, render_who);
  });

  command = app.add_subcommand("incident", "The whole story of one sender, and the commands that end it");
  command->add_option("ID", typed->identity, "kind:value, or an address, which means user:")->required();
  command->callback([&session, typed] { session.exit = incident(session, *typed); });

  command = app.add_subcommand("report", "One page for every morning: who sends most, who is blocked, what is odd");
  command->add_option("--since", typed->since, "how long ago, as in 1d or 7d")->capture_default_str()->check(not_empty());
  command->callback([&session, typed] { session.exit = report(session, *typed); });
}

}  // namespace milter::cli
