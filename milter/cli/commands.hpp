// The subcommands. Each function adds its own to `app`; when the command line names it, it runs and leaves its exit
// code in `session`, which outlives `app`.
#pragma once

#include <CLI/App.hpp>
#include <optional>
#include <string>

#include "milter/cli/ask.hpp"

namespace milter::cli {

void add_look_commands(CLI::App& app, Session& session);  // status, show, top, blocked, limits, nodes
void add_mode_command(CLI::App& app, Session& session);   // mode
void add_past_commands(CLI::App& app, Session& session);  // events, who, incident, report
void add_act_commands(CLI::App& app, Session& session);   // release, block, limit, reload
void add_queue_commands(CLI::App& app, Session& session); // held, queue
void add_check_config(CLI::App& app, Session& session);   // check-config
void add_try(CLI::App& app, Session& session);            // try

/// Waits for the hosts of an order about held mail, and tells how far they are.
[[nodiscard]] ExitCode follow_order(Session& session, const boost::json::object& order, const std::string& identity, quota::Milliseconds patience);

/// Refuses an empty word: it is a shell variable without a value more often than "for ever" or "nobody".
[[nodiscard]] CLI::Validator not_empty();
/// `--for DURATION`, empty where it was not given.
CLI::Option* add_duration(CLI::App& command, std::optional<std::string>& into, const std::string& description);

}  // namespace milter::cli
