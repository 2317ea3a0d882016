// HistoryJson: what is kept of a sender, and rankings, as the admin API shows them (shapes: milter/admin/api.hpp). Pure.
#pragma once

#include <boost/json.hpp>

#include "quota/archive.hpp"

namespace milter {

/// The last 24 hours of a sender by hour, its networks and scripts, and its last `most_messages` messages, a third of them refused ones at most.
[[nodiscard]] boost::json::object history_json(const quota::Chronicle& chronicle, std::size_t most_messages, quota::Timestamp now);

/// All that is kept: also all hours and five minutes.
[[nodiscard]] boost::json::object whole_history_json(const quota::Identity& identity, const quota::Chronicle& chronicle, quota::Timestamp now);

[[nodiscard]] boost::json::object top_json(const quota::TopQuestion& question, const std::vector<quota::Ranked>& ranked);

/// One of a list of senders, since the question's first hour.
struct SenderRow {
  std::string identity{};
  quota::Tally sum{};
  std::int64_t networks = 0;
  std::optional<quota::Timestamp> first{};
  bool is_blocked = false;
};
[[nodiscard]] boost::json::object senders_json(const quota::TopQuestion& question, const std::vector<SenderRow>& rows);

/// The last 24 hours by quarters of an hour, where five minutes are kept for as long, else by hours.
[[nodiscard]] boost::json::object totals_json(const quota::Identity& whose, const quota::History& history, bool has_fives, quota::Timestamp now);

[[nodiscard]] boost::json::object who_json(const std::string& name, const quota::Search& search);

}  // namespace milter
