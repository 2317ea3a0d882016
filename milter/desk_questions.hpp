// What administrators type into a question of the desk, read into values; and the answers of a record that cannot be asked. Pure.
#pragma once

#include "milter/admin/operations.hpp"
#include "milter/desk_problems.hpp"
#include "quota/archive.hpp"

namespace milter {

[[nodiscard]] admin::Problem nothing_recorded();
[[nodiscard]] admin::Problem record_problem(const std::string& what);

/// How many rows: 20 where nothing is typed. Errors: what to write instead.
[[nodiscard]] OrProblem<std::size_t> count_of(const std::string& typed, std::size_t most);
/// How many rows to leave out; 0 where nothing is typed.
[[nodiscard]] OrProblem<std::size_t> offset_of(const std::string& typed);

/// Of mail in a queue: held, or sent.
[[nodiscard]] OrProblem<quota::Fate> queue_fate_of(const std::string& typed);

[[nodiscard]] OrProblem<quota::TopQuestion> top_question(const admin::TopQuestion& typed, quota::Timestamp now);

/// Whether `identity` holds `sought`, whatever the case of either.
[[nodiscard]] bool bears(std::string_view identity, const std::string& sought);

}  // namespace milter
