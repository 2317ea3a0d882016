// Why an operation was not done, for the person who asked: what happened, and what to do instead.
// Every error of the endpoint has this one shape in JSON: {"error": "…", "hint": "…", "problems": ["…"]}.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "milter/admin/response.hpp"

namespace milter::admin {

struct Problem {
  enum class Kind {
    bad_request,     // 400: what was asked cannot be understood
    not_found,       // 404: there is no such thing
    forbidden,       // 403: understood, and not for this caller
    refused,         // 409: understood, and not done
    invalid_config,  // 422: the configuration has problems; the old one goes on
    internal,        // 500: a bug
    unavailable,     // 503: the store has no answer; what stands behind `: ` may name it, and is not for tokens of an account
  };
  Kind kind = Kind::internal;
  std::string what;
  std::string hint = {};
  std::vector<std::string> problems = {};  // one line each, e.g. `file:line: what; what to write instead`
};

/// The HTTP status of a kind.
[[nodiscard]] unsigned status_of(Problem::Kind kind);

[[nodiscard]] Response to_response(const Problem& problem);

/// An error that has no kind of its own because HTTP, not an operation, caused it (405, 413, 431).
[[nodiscard]] Response error_response(unsigned status, std::string what, std::string hint);

/// 429, and when to come again.
[[nodiscard]] Response too_often(std::string what, std::chrono::milliseconds wait);

/// 401, and how to do better.
[[nodiscard]] Response unauthorized(std::string what);

}  // namespace milter::admin
