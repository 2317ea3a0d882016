#include "milter/admin/handlers.hpp"

#include <algorithm>
#include <functional>
#include <optional>
#include <string_view>
#include <utility>

#include "milter/admin/api.hpp"

namespace milter::admin {

Response answer(Operations::Answer result) {
  if (!result) return to_response(result.error());
  return {.status = 200, .body = std::move(*result)};
}

namespace {

using Fields = std::map<std::string, std::string>;

Response bad_request(std::string what, std::string hint) {
  return to_response({.kind = Problem::Kind::bad_request, .what = std::move(what), .hint = std::move(hint)});
}

bool has_control_character(std::string_view text) {
  return std::ranges::any_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

using Names = std::vector<std::string_view>;

std::string joined(const Names& words) {
  std::string text;
  for (const auto word : words) text += (text.empty() ? "" : ", ") + std::string(word);
  return text.empty() ? "none" : text;
}

// A text ends in logs, tables and on terminals: a line break in it could forge an entry there.
std::optional<Response> objection(std::string_view name, const boost::json::value& value) {
  const std::string field = "\"" + std::string(name) + "\"";
  if (!value.is_string()) return bad_request(field + " is not a text", "write it in quotes");
  const std::string_view text = value.as_string();
  if (text.size() > max_reason_bytes) return bad_request(field + " is too long", "at most 500 bytes");
  if (has_control_character(text)) return bad_request(field + " contains a control character", "write it on one line");
  return std::nullopt;
}

quota::Result<Fields, Response> read_fields(const Request& request, const Names& known) {
  Fields fields;
  for (const auto& [key, value] : request.body) {
    if (std::ranges::find(known, std::string_view(key)) == known.end())
      return bad_request("unknown field \"" + std::string(key) + "\"", "known here: " + joined(known));
    if (value.is_null()) continue;
    if (auto problem = objection(key, value)) return std::move(*problem);
    fields.emplace(key, value.as_string());
  }
  return fields;
}

std::optional<std::string> optional_field(const Fields& fields, const std::string& name) {
  const auto found = fields.find(name);
  return found == fields.end() ? std::nullopt : std::optional(found->second);
}

std::string field_or_empty(const Fields& fields, const std::string& name) {
  return optional_field(fields, name).value_or("");
}

// Wraps a handler: its request has no fields but `known`, and its path no hidden control characters.
template <class Act>
Handler with_fields(Names known, Act act) {
  return [known = std::move(known), act](const Request& request, const Parameters& parameters) {
    for (const auto& [name, value] : parameters)
      if (has_control_character(value)) return bad_request("the " + name + " contains a control character", "");
    const auto fields = read_fields(request, known);
    return fields ? act(request, parameters, *fields) : fields.error();
  };
}

template <class Look>
Route look(std::string pattern, Look ask) {
  return {"GET", std::move(pattern),
          with_fields({}, [ask](const Request&, const Parameters& at, const Fields&) { return answer(ask(at)); })};
}

using Parameter = std::function<std::string(const char* name)>;

/// A GET whose query has no parameters but `known`; one that is not there is empty.
template <class Ask>
Route look_with(std::string pattern, Names known, Ask ask) {
  return {"GET", std::move(pattern), with_fields({}, [known = std::move(known), ask](const Request& request, const Parameters&, const Fields&) {
            for (const auto& [name, value] : request.query) {
              if (std::ranges::find(known, std::string_view(name)) == known.end())
                return bad_request("unknown parameter \"" + name + "\"", "known here: " + joined(known));
              if (value.size() > max_reason_bytes || has_control_character(value)) return bad_request("the parameter \"" + name + "\" cannot be read", "");
            }
            return answer(ask([&request](const char* name) {
              const auto found = request.query.find(name);
              return found == request.query.end() ? std::string() : found->second;
            }));
          })};
}

std::vector<Route> look_routes(Operations& to) {
  return {
      look("/healthz", [](const Parameters&) { return boost::json::object{{"status", "ok"}}; }),
      look("/readyz", [&to](const Parameters&) { return to.ready(); }),
      {"GET", "/metrics", with_fields({}, [&to](const Request&, const Parameters&, const Fields&) { return Response{.text = to.metrics()}; })},
      look("/v1/status", [&to](const Parameters&) { return to.status(); }),
      look("/v1/identities/{id}", [&to](const Parameters& at) { return to.show(at.at("id")); }),
      look("/v1/identities/{id}/history", [&to](const Parameters& at) { return to.history(at.at("id")); }),
      look_with("/v1/top", {"by", "per", "since", "count"},
                [&to](const Parameter& at) { return to.top({at("by"), at("per"), at("since"), at("count")}); }),
      look_with("/v1/events", {"identity", "after", "count"}, [&to](const Parameter& at) { return to.events({at("identity"), at("after"), at("count")}); }),
      look_with("/v1/who", {"name", "count"}, [&to](const Parameter& at) { return to.who({at("name"), at("count")}); }),
      look("/v1/held", [&to](const Parameters&) { return to.held(); }),
      look("/v1/identities/{id}/mail", [&to](const Parameters& at) { return to.mail(at.at("id")); }),
      look_with("/v1/shelf", {"identity", "fate", "host", "from", "count"},
                [&to](const Parameter& at) { return to.shelf({{at("identity"), at("fate"), at("host")}, at("from"), at("count")}); }),
      look_with("/v1/orders", {"host"}, [&to](const Parameter& at) { return to.orders(at("host")); }),
      look("/v1/blocked", [&to](const Parameters&) { return to.blocked(); }),
      look("/v1/limits", [&to](const Parameters&) { return to.limits(); }),
      look("/v1/nodes", [&to](const Parameters&) { return to.nodes(); }),
      look("/v1/mode", [&to](const Parameters&) { return to.mode(); }),
  };
}

Response set_mode(Operations& to, const Request& request, const Fields& fields) {
  const auto mode = field_or_empty(fields, "mode");
  if (mode != "observe" && mode != "enforce")
    return bad_request(R"("mode" must be observe or enforce)", "DELETE /v1/mode goes back to the configuration");
  return answer(to.set_mode({mode, optional_field(fields, "for"), request.caller}));
}

Response set_limit(Operations& to, const Request& request, const Parameters& at, const Fields& fields) {
  const auto limit = field_or_empty(fields, "limit");
  if (limit.empty()) return bad_request(R"("limit" is missing)", "for example 5000 messages / 1d, unlimited or none");
  return answer(to.limit({at.at("id"), at.at("quota"), limit, optional_field(fields, "for"), request.caller}));
}

std::vector<Route> mode_routes(Operations& to) {
  const auto put = [&to](const Request& request, const Parameters&, const Fields& fields) {
    return set_mode(to, request, fields);
  };
  const auto clear = [&to](const Request& request, const Parameters&, const Fields&) {
    return answer(to.clear_mode(request.caller));
  };
  const auto reload = [&to](const Request& request, const Parameters&, const Fields&) {
    return answer(to.reload(request.caller));
  };
  return {
      {"PUT", "/v1/mode", with_fields({"mode", "for"}, put)},
      {"DELETE", "/v1/mode", with_fields({}, clear)},
      {"POST", "/v1/reload", with_fields({}, reload)},
  };
}

std::vector<Route> identity_routes(Operations& to) {
  const auto release = [&to](const Request& request, const Parameters& at, const Fields& fields) {
    return answer(to.release({at.at("id"), field_or_empty(fields, "held"), field_or_empty(fields, "reason"), request.caller}));
  };
  const auto block = [&to](const Request& request, const Parameters& at, const Fields& fields) {
    return answer(
        to.block({at.at("id"), optional_field(fields, "for"), field_or_empty(fields, "reason"), request.caller}));
  };
  const auto limit = [&to](const Request& request, const Parameters& at, const Fields& fields) {
    return set_limit(to, request, at, fields);
  };
  const auto remove = [&to](const Request& request, const Parameters& at, const Fields&) {
    return answer(to.remove_limit({at.at("id"), at.at("quota"), request.caller}));
  };
  return {
      {"POST", "/v1/identities/{id}/release", with_fields({"reason", "held"}, release)},
      {"POST", "/v1/identities/{id}/block", with_fields({"for", "reason"}, block)},
      {"PUT", "/v1/identities/{id}/limits/{quota}", with_fields({"limit", "for"}, limit)},
      {"DELETE", "/v1/identities/{id}/limits/{quota}", with_fields({}, remove)},
  };
}

}  // namespace

std::vector<Route> routes_for(Operations& operations) {
  auto routes = look_routes(operations);
  for (auto* more : {&mode_routes, &identity_routes, &queue_routes})
    for (auto& route : more(operations)) routes.push_back(std::move(route));
  return routes;
}

}  // namespace milter::admin
