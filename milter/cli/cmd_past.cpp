// events, who, incident, report: what happened, whose a message was, the whole story of one sender, and that of a day.
#include <CLI/CLI.hpp>
#include <iostream>
#include <map>
#include <memory>
#include <ostream>
#include <thread>

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

/// Who answers a question. All others may be missing: where the store or the record is away, or nothing is recorded.
enum class Of : std::uint8_t { daemon, store, record };

struct Question {
  const char* key;     // of the answer in the whole
  std::string target;
  const char* part;    // of the answer; empty: all of it
  Of of;
  bool is_needed = false;
};

/// Several answers as one, and whom there was none of.
struct Whole {
  boost::json::object answers{};
  std::map<Of, boost::json::object> missing{};  ///< the first error of each; it is not asked again
};

bool is_missing(const quota::Result<Answer, Failure>& answer) {
  const auto code = answer ? exit_code_of(answer->status) : ExitCode::ok;
  return code == ExitCode::no || code == ExitCode::unavailable;
}

/// What cannot be had is null, and "errors" says why; without an answer that is needed that is the outcome.
ExitCode ask_one(Session& session, const Question& question, Whole& whole, Render render) {
  const Call call{"GET", question.target};
  const auto answer = session.console.connect(session.options.socket)->ask(call);
  const auto code = answer ? exit_code_of(answer->status) : ExitCode::unavailable;
  if (!question.is_needed && is_missing(answer))
    whole.missing.emplace(question.of, answer->body);
  else if (code != ExitCode::ok)
    return ask(session, call, render);  // says why
  else
    whole.answers[question.key] = *question.part == '\0' ? boost::json::value(answer->body) : boost::json::value(array_at(answer->body, question.part));
  return ExitCode::ok;
}

/// Of the store alone it is an error that it has no answer: the rest of the page is worth reading without the record.
ExitCode ask_all(Session& session, const std::vector<Question>& questions, Render render) {
  Whole whole;
  boost::json::object errors;
  for (const auto& question : questions) {
    if (!whole.missing.contains(question.of))
      if (const auto code = ask_one(session, question, whole, render); code != ExitCode::ok) return code;
    const auto missing = whole.missing.find(question.of);
    if (missing == whole.missing.end()) continue;
    whole.answers[question.key] = nullptr;
    errors[question.key] = text_at(missing->second, "error");
  }
  whole.answers["errors"] = std::move(errors);
  print(session, whole.answers, render);
  const auto store = whole.missing.find(Of::store);
  if (store == whole.missing.end()) return ExitCode::ok;
  if (!session.options.json) session.console.err << render_error(store->second, {.now = session.console.view.now});
  return ExitCode::unavailable;
}

ExitCode incident(Session& session, const Typed& typed) {
  const auto identity = identity_from(typed.identity);
  if (!identity) return fail(session, ExitCode::usage, identity.error().what, "");
  const auto sender = "/v1/identities/" + admin::percent_encode(*identity);
  return ask_all(session,
                 {{"identity", sender, "", Of::store, true}, {"events", events_target(*identity, "", "50"), "events", Of::store}, {"mail", sender + "/mail", "", Of::record}},
                 render_incident);
}

ExitCode report(Session& session, const Typed& typed) {
  const auto since_when = "&since=" + admin::percent_encode(typed.since);
  const auto since = since_when + "&count=10";
  return ask_all(session,
                 {{"status", "/v1/status", "", Of::daemon, true},
                  {"most_in_30_days", "/v1/top?since=30d&count=10", "top", Of::record},
                  {"scripts", "/v1/top?per=script" + since, "top", Of::record},
                  {"top", "/v1/top?by=messages" + since, "", Of::record},
                  {"refused", "/v1/top?by=refused" + since, "top", Of::record},
                  {"networks", "/v1/top?by=networks" + since, "top", Of::record},
                  {"blocked", "/v1/blocked", "blocked", Of::daemon, true},
                  {"limits", "/v1/limits", "limits", Of::daemon, true},
                  {"held", "/v1/held", "held", Of::record},
                  {"orders", "/v1/orders", "orders", Of::record},
                  {"events", "/v1/events?only=daily" + since_when + "&count=" + std::to_string(most_reported), "events", Of::store}},
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
