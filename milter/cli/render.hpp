// The daemon's answers (their shapes: milter/admin/api.hpp) as text for a person. Pure: JSON and view → text.
#pragma once

#include <boost/json.hpp>
#include <string>

#include "milter/cli/terminal.hpp"

namespace milter::cli {

using Render = std::string (*)(const boost::json::object& answer, const View& view);

[[nodiscard]] std::string render_status(const boost::json::object& status, const View& view);
[[nodiscard]] std::string render_mode(const boost::json::object& mode, const View& view);
[[nodiscard]] std::string render_identity(const boost::json::object& identity, const View& view);
[[nodiscard]] std::string render_top(const boost::json::object& answer, const View& view);
[[nodiscard]] std::string render_events(const boost::json::object& answer, const View& view);
[[nodiscard]] std::string render_who(const boost::json::object& answer, const View& view);
/// The whole story of one sender: {"identity": Identity, "events": [Event…], "mail": the answer about its mail in queues, "errors"}, and the
/// commands that end it. "errors", here and below, is an object: of what is null, why it could not be had.
[[nodiscard]] std::string render_incident(const boost::json::object& answer, const View& view);
/// {"status": Status, "top": Top, "most_in_30_days", "scripts", "refused", "networks": rows of a Top, "blocked": [Block…], "limits": [LiveLimit…],
/// "events": what notify.daily names, the newest first, most_reported at most, "held": [Shelf…], "orders": [Order…], "errors"}.
inline constexpr std::size_t most_reported = 50;
[[nodiscard]] std::string render_report(const boost::json::object& answer, const View& view);
/// Shelves of held mail.
[[nodiscard]] std::string render_held(const boost::json::object& answer, const View& view);
/// {"identity", "fate", "shelves": [a Shelf with "mail"…], "orders": [Order…]}
[[nodiscard]] std::string render_mail(const boost::json::object& answer, const View& view);
/// An Order; also one that this host alone carried out, or would.
[[nodiscard]] std::string render_order(const boost::json::object& order, const View& view);
/// One that a host has not ended, in a sentence; nothing of one that is over.
[[nodiscard]] std::string render_waiting_order(const boost::json::object& order, const View& view);
[[nodiscard]] std::string render_blocked(const boost::json::object& answer, const View& view);
[[nodiscard]] std::string render_limits(const boost::json::object& answer, const View& view);
[[nodiscard]] std::string render_nodes(const boost::json::object& answer, const View& view);
[[nodiscard]] std::string render_released(const boost::json::object& answer, const View& view);
[[nodiscard]] std::string render_block(const boost::json::object& block, const View& view);
[[nodiscard]] std::string render_limit(const boost::json::object& limit, const View& view);
[[nodiscard]] std::string render_limit_removed(const boost::json::object& answer, const View& view);
[[nodiscard]] std::string render_reloaded(const boost::json::object& answer, const View& view);

/// An error of the API or of the way there: what happened, each problem, what to do.
[[nodiscard]] std::string render_error(const boost::json::object& error, const View& view);

/// The mode in one line: `enforce`, `observe live since 14:00 (32m ago) by alice`.
[[nodiscard]] std::string mode_line(const boost::json::object& mode, const View& view);

/// The history in an answer about one sender; nothing where none is kept.
[[nodiscard]] std::string render_history(const boost::json::object& identity, const View& view);

/// What stands in the place of a part that could not be had, `WHAT cannot be shown: …`; nothing where it could.
[[nodiscard]] std::string render_missing(const boost::json::object& answer, std::string_view key, std::string_view what, const View& view);

/// That an answer is what was known last, where it says so in "error"; nothing else.
[[nodiscard]] std::string render_doubt(const boost::json::object& answer, const View& view);

/// A warning per line, or nothing.
[[nodiscard]] std::string render_warnings(const boost::json::object& answer, const View& view);

}  // namespace milter::cli
