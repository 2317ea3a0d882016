// HistoryJson: what is kept of a sender, and rankings, as the admin API shows them (shapes: milter/admin/api.hpp). Pure.
#pragma once

#include <boost/json.hpp>

#include "quota/archive.hpp"

namespace milter {

/// The last 24 hours of a sender by hour, its networks and scripts, and its last `most_messages` messages.
[[nodiscard]] boost::json::object history_json(const quota::Chronicle& chronicle, std::size_t most_messages, quota::Timestamp now);

/// All that is kept: also all hours and five minutes.
[[nodiscard]] boost::json::object whole_history_json(const quota::Identity& identity, const quota::Chronicle& chronicle, quota::Timestamp now);

[[nodiscard]] boost::json::object top_json(const quota::TopQuestion& question, const std::vector<quota::Ranked>& ranked);

[[nodiscard]] boost::json::object who_json(const std::string& name, const quota::Search& search);

}  // namespace milter
