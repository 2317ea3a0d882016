// What the desk answers where it cannot do what was asked.
#pragma once

#include <string>

#include "milter/admin/problem.hpp"
#include "quota/result.hpp"

namespace milter {

template <class T>
using OrProblem = quota::Result<T, admin::Problem>;

inline admin::Problem bad_request(std::string what) { return {admin::Problem::Kind::bad_request, std::move(what), "", {}}; }

inline admin::Problem refusal(const std::string& what, const char* hint) { return {admin::Problem::Kind::refused, what, hint, {}}; }

/// Of what was only asked.
inline admin::Problem no_answer_of_store(const std::string& why) {
  return {admin::Problem::Kind::unavailable, "the store has no answer: " + why, "mail goes on; try again when it answers", {}};
}

}  // namespace milter
