// Times, durations and amounts as the command words them. Pure; moments are shown in local time.
#pragma once

#include <boost/json.hpp>
#include <string>
#include <string_view>

#include "milter/cli/terminal.hpp"

namespace milter::cli {

/// `14:32` on the day of `view.now`, else `2026-11-22 14:32`. What is no RFC 3339 moment is shown as it is.
[[nodiscard]] std::string moment_text(std::string_view rfc3339, const View& view);

/// `14:32 (in 42m)`, `2026-11-20 08:00 (2d ago)`; empty for an empty moment.
[[nodiscard]] std::string when_text(std::string_view rfc3339, const View& view);

/// In its largest sensible unit, rounded down: `37s`, `42m`, `5h`, `3d`.
[[nodiscard]] std::string rough_duration(quota::Milliseconds duration);

/// `1.5MB`; whole below 1000.
[[nodiscard]] std::string bytes_text(std::int64_t bytes);

/// A Limit of the API with its use: `33/250 messages per 15m`, `12/500 recipients, 2000 per 1d`,
/// `at most 300 recipients per message`, `unlimited`.
[[nodiscard]] std::string use_text(const boost::json::object& limit);

/// How full a Limit of the API is: warning from 80 %, bad where nothing more fits.
[[nodiscard]] Style use_style(const boost::json::object& limit);

/// The end of a block or a live limit: `until 14:32 (in 42m)`, or `fallback` where there is none.
[[nodiscard]] std::string until_text(const boost::json::object& entry, std::string_view fallback, const View& view);

}  // namespace milter::cli
