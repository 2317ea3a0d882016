#include "milter/cli/ask.hpp"

#include <ostream>
#include <utility>

#include "milter/admin/json_line.hpp"
#include "milter/cli/json_reading.hpp"

namespace milter::cli {
namespace {

// As it came, so that a program sees what a newer daemon has added.
void print_json(std::ostream& out, std::string_view text) {
  out << text;
  if (!text.ends_with('\n')) out << '\n';
}

// Colours belong to the standard output; the error output may go elsewhere.
void print_error(Session& session, const boost::json::object& error) {
  session.console.err << render_error(error, {.now = session.console.view.now});
}

// What the daemon has just done is past when it is shown: "for 1h" is "in 1h", never "in 2h".
View view_now(const Console& console) {
  auto view = console.view;
  if (console.clock) view.now = console.clock();
  return view;
}

}  // namespace

ExitCode fail(Session& session, ExitCode code, const std::string& what, const std::string& hint,
              boost::json::object done) {
  auto error = std::move(done);
  error["error"] = what;
  if (!hint.empty()) error["hint"] = hint;
  if (session.options.json)
    session.console.out << admin::json_line(std::move(error));
  else
    print_error(session, error);
  return code;
}

ExitCode ask(Session& session, const Call& call, Render render) {
  const auto answer = session.console.connect(session.options.socket)->ask(call);
  if (!answer) return fail(session, exit_code_of(answer.error().kind), answer.error().what, answer.error().hint);
  const auto code = exit_code_of(answer->status);
  if (session.options.json)
    print_json(session.console.out, answer->text);
  else if (code == ExitCode::ok)
    session.console.out << render(answer->body, view_now(session.console));
  else
    print_error(session, answer->body);
  return code;
}

Asked ask_quietly(Session& session, const Call& call) {
  const auto answer = session.console.connect(session.options.socket)->ask(call);
  if (!answer) return {{}, fail(session, exit_code_of(answer.error().kind), answer.error().what, answer.error().hint)};
  const auto code = exit_code_of(answer->status);
  if (code != ExitCode::ok) return {{}, fail(session, code, text_at(answer->body, "error"), text_at(answer->body, "hint"))};
  return {answer->body, code};
}

void print(Session& session, const boost::json::object& whole, Render render) {
  session.console.out << (session.options.json ? admin::json_line(boost::json::object(whole)) : render(whole, view_now(session.console))) << std::flush;
}

}  // namespace milter::cli
