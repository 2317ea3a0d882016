#include "milter/admin/problem.hpp"

#include <utility>

namespace milter::admin {

unsigned status_of(Problem::Kind kind) {
  switch (kind) {
    case Problem::Kind::bad_request:
      return 400;
    case Problem::Kind::forbidden:
      return 403;
    case Problem::Kind::not_found:
      return 404;
    case Problem::Kind::refused:
      return 409;
    case Problem::Kind::invalid_config:
      return 422;
    case Problem::Kind::internal:
      return 500;
    case Problem::Kind::unavailable:
      return 503;
  }
  return 500;
}

Response error_response(unsigned status, std::string what, std::string hint) {
  Response response{.status = status};
  response.body["error"] = std::move(what);
  if (!hint.empty()) response.body["hint"] = std::move(hint);
  return response;
}

Response too_often(std::string what, std::chrono::milliseconds wait) {
  const auto seconds = std::to_string(std::chrono::ceil<std::chrono::seconds>(wait).count());
  auto response = error_response(429, std::move(what), "try again in " + seconds + " s");
  response.headers.emplace_back("Retry-After", seconds);
  return response;
}

Response unauthorized(std::string what) {
  auto response = error_response(401, std::move(what), "send the header 'Authorization: Bearer TOKEN', with a token whose hash is in [[admin.token]]");
  response.headers.emplace_back("WWW-Authenticate", "Bearer realm=\"sendquota\"");
  return response;
}

Response to_response(const Problem& problem) {
  Response response = error_response(status_of(problem.kind), problem.what, problem.hint);
  if (problem.problems.empty()) return response;
  boost::json::array lines;
  for (const auto& line : problem.problems) lines.emplace_back(line);
  response.body["problems"] = std::move(lines);
  return response;
}

}  // namespace milter::admin
