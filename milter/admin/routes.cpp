#include "milter/admin/routes.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "milter/admin/problem.hpp"
#include "milter/admin/target.hpp"

namespace milter::admin {
namespace {

bool is_name(const std::string& segment) {
  return segment.size() > 2 && segment.front() == '{' && segment.back() == '}';
}

std::optional<Parameters> match(const std::vector<std::string>& pattern, const std::vector<std::string>& path) {
  if (pattern.size() != path.size()) return std::nullopt;
  Parameters parameters;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (!is_name(pattern[i])) {
      if (pattern[i] != path[i]) return std::nullopt;
      continue;
    }
    if (path[i].empty()) return std::nullopt;
    parameters[pattern[i].substr(1, pattern[i].size() - 2)] = path[i];
  }
  return parameters;
}

std::optional<boost::json::object> parse_body(const std::string& text) {
  if (text.find_first_not_of(" \t\r\n") == std::string::npos) return boost::json::object{};
  boost::json::error_code error;
  auto value = boost::json::parse(text, error);
  if (error || !value.is_object()) return std::nullopt;
  return std::move(value.as_object());
}

/// Empty: he may.
std::optional<Response> objection_to(const Caller& caller, const Route& route) {
  if (caller.role < route.least && caller.role == Role::none) return unauthorized("this needs a token");
  if (caller.role < route.least)
    return error_response(403, "the token " + caller.user + " has the role " + std::string(name(caller.role)) + ", and this needs " + std::string(name(route.least)), "");
  if (route.reach == Reach::cluster && !caller.account.empty())
    return error_response(403, "the token " + caller.user + " is for the account " + caller.account + ", and this is about the whole cluster", "");
  return std::nullopt;
}

/// What the store's errors name is for who may see the whole cluster (problem.hpp).
Response shown_to(const Caller& caller, Response response) {
  auto* const error = response.status == 503 && !caller.account.empty() ? response.body.if_contains("error") : nullptr;
  if (error && error->is_string()) *error = boost::json::string(error->as_string().subview(0, error->as_string().find(": ")));
  return response;
}

Response wrong_method(const std::string& method, const std::string& allowed) {
  auto response = error_response(405, method + " is not possible here", "use " + allowed);
  response.allow = allowed;
  return response;
}

}  // namespace

Router::Router(std::vector<Route> routes) {
  for (auto& route : routes) {
    auto target = parse_target(route.pattern);
    entries_.push_back({std::move(route), target ? std::move(target->path) : std::vector<std::string>{}});
  }
}

Response Router::handle(const RawRequest& raw) const {
  auto target = parse_target(raw.target);
  if (!target) return error_response(400, "the address cannot be read", "write every byte that is special as %XX");
  std::string allowed;
  for (const auto& [route, segments] : entries_) {
    const auto parameters = match(segments, target->path);
    if (!parameters) continue;
    if (route.method != raw.method) {
      allowed += (allowed.empty() ? "" : ", ") + route.method;
      continue;
    }
    if (auto objection = objection_to(raw.caller, route)) return std::move(*objection);
    auto body = parse_body(raw.body);
    if (!body) return error_response(400, "the body is not a JSON object", R"(send for example {"reason": "text"})");
    return shown_to(raw.caller, route.handler({raw.method, std::move(target->path), std::move(target->query), std::move(*body), raw.caller}, *parameters));
  }
  if (raw.caller.role == Role::none) return unauthorized("this needs a token");
  if (!allowed.empty()) return wrong_method(raw.method, allowed);
  return error_response(404, "there is nothing at this address", "the API begins with /v1/; ask /v1/status");
}

bool Router::is_prompt(const RawRequest& raw) const {
  const auto target = parse_target(raw.target);
  if (!target) return true;
  return std::ranges::none_of(entries_, [&](const Entry& entry) {
    return entry.route.pace == Pace::waits && entry.route.method == raw.method && match(entry.segments, target->path);
  });
}

}  // namespace milter::admin
