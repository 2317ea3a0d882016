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

inline admin::Problem nothing_recorded() { return refusal("nothing is recorded: record.url is \"off\"", "write record.url = \"store\" into the configuration, and restart the daemon"); }

inline admin::Problem record_problem(const std::string& what) {
  return {admin::Problem::Kind::unavailable, "the record has no answer: " + what, "mail goes on; try again when it answers", {}};
}

}  // namespace milter
