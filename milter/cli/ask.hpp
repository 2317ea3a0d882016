// What every subcommand shares: the global options, where output goes, and "ask the daemon, then print".
#pragma once

#include <functional>
#include <iosfwd>
#include <memory>
#include <string>

#include "milter/cli/daemon.hpp"
#include "milter/cli/exit_code.hpp"
#include "milter/cli/render.hpp"

namespace milter::cli {

/// The world as the command sees it; main makes the real one, a test its own.
struct Console {
  std::ostream& out;
  std::ostream& err;
  View view;
  std::function<std::unique_ptr<Daemon>(const std::string& socket_path)> connect;
  std::function<quota::Timestamp()> clock = {};  ///< empty: view.now stands for the whole run
};

struct Options {
  std::string socket;
  std::string config;
  bool json = false;
};

/// One run of the command: a subcommand reads the options, acts on the console and leaves its exit code.
struct Session {
  Console& console;
  Options options = {};
  ExitCode exit = ExitCode::ok;
};

/// Asks the daemon and prints the answer: as `render` has it, or with --json as it came. Errors go to the error
/// output, with --json as JSON of the same shape to the standard output.
[[nodiscard]] ExitCode ask(Session& session, const Call& call, Render render);

/// One question whose answer is a part of something; what was not answered is already printed.
struct Asked {
  boost::json::object body{};
  ExitCode code = ExitCode::ok;
};
[[nodiscard]] Asked ask_quietly(Session& session, const Call& call);

/// As an answer of the daemon would be: by `render`, or with --json as one document.
void print(Session& session, const boost::json::object& whole, Render render);

/// Prints an error of ours as if the daemon had said it. With --json it is one document: `done` is what was achieved
/// before it, and comes first.
[[nodiscard]] ExitCode fail(Session& session, ExitCode code, const std::string& what, const std::string& hint,
                            boost::json::object done = {});

}  // namespace milter::cli
