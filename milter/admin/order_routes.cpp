#include "milter/admin/order_routes.hpp"

#include "milter/admin/fields.hpp"
#include "quota/identity.hpp"
#include "quota/time_text.hpp"

namespace milter::admin {
namespace {

constexpr auto longest_of_support = std::chrono::days{31};

bool is_everybody(const std::string& identity) {
  const auto parsed = quota::parse_identity(identity);
  return identity == "*" || (parsed && parsed->kind == quota::Kind::everyone);
}

/// Empty: he may set limits for so long.
std::optional<Response> objection_to_time(const Caller& caller, const std::optional<std::string>& lasting) {
  if (caller.role >= Role::admin) return std::nullopt;
  const auto duration = quota::parse_duration(lasting.value_or(""));
  if (duration && *duration <= longest_of_support) return std::nullopt;
  return forbidden("the role support sets limits for a time only", R"(add "for", at most 31d, as in "for": "1d")");
}

template <class Act>
Route order(Operations& to, std::string method, std::string pattern, Names known, Act act) {
  const auto handler = [&to, act](const Request& request, const Parameters& at, const Fields& fields) {
    if (auto objection = objection_to_order(to, request.caller, at)) return std::move(*objection);
    return act(request.caller, at, fields);
  };
  return {std::move(method), std::move(pattern), with_fields(std::move(known), handler), Role::support, Reach::sender};
}

Response set_mode(Operations& to, const Request& request, const Fields& fields) {
  const auto mode = field_or_empty(fields, "mode");
  if (mode != "observe" && mode != "enforce")
    return bad_request(R"("mode" must be observe or enforce)", "DELETE /v1/mode goes back to the configuration");
  return answer(to.set_mode({mode, optional_field(fields, "for"), request.caller}));
}

Response set_limit(Operations& to, const Caller& caller, const Parameters& at, const Fields& fields) {
  const auto limit = field_or_empty(fields, "limit");
  const auto lasting = optional_field(fields, "for");
  if (limit.empty()) return bad_request(R"("limit" is missing)", "for example 5000 messages / 1d, unlimited or none");
  if (auto objection = objection_to_time(caller, lasting)) return std::move(*objection);
  return answer(to.limit({at.at("id"), at.at("quota"), limit, lasting, caller}));
}

}  // namespace

std::optional<Response> objection_to_order(Operations& to, const Caller& caller, const Parameters& at) {
  if (caller.role < Role::admin && is_everybody(at.at("id"))) return forbidden("this is about everybody, and needs the role admin", "name one sender");
  return objection_to(to, caller, at);
}

std::vector<Route> order_routes(Operations& to) {
  const auto put_mode = [&to](const Request& request, const Parameters&, const Fields& fields) { return set_mode(to, request, fields); };
  const auto clear_mode = [&to](const Request& request, const Parameters&, const Fields&) { return answer(to.clear_mode(request.caller)); };
  const auto reload = [&to](const Request& request, const Parameters&, const Fields&) { return answer(to.reload(request.caller)); };
  const auto release = [&to](const Caller& by, const Parameters& at, const Fields& fields) {
    const auto held = field_or_empty(fields, "held");
    if (by.role < Role::admin && held == "delete") return forbidden("mail is removed by the role admin only", R"(the role support may say "send" or "keep")");
    return answer(to.release({at.at("id"), field_or_empty(fields, "reason"), by, held}));
  };
  const auto block = [&to](const Caller& by, const Parameters& at, const Fields& fields) {
    return answer(to.block({at.at("id"), optional_field(fields, "for"), field_or_empty(fields, "reason"), by}));
  };
  const auto limit = [&to](const Caller& by, const Parameters& at, const Fields& fields) { return set_limit(to, by, at, fields); };
  const auto remove = [&to](const Caller& by, const Parameters& at, const Fields&) {
    return answer(to.remove_limit({at.at("id"), at.at("quota"), by}));
  };
  return {
      {"PUT", "/v1/mode", with_fields({"mode", "for"}, put_mode)},
      {"DELETE", "/v1/mode", with_fields({}, clear_mode)},
      {"POST", "/v1/reload", with_fields({}, reload)},
      order(to, "POST", "/v1/identities/{id}/release", {"reason", "held"}, release),
      order(to, "POST", "/v1/identities/{id}/block", {"for", "reason"}, block),
      order(to, "PUT", "/v1/identities/{id}/limits/{quota}", {"limit", "for"}, limit),
      order(to, "DELETE", "/v1/identities/{id}/limits/{quota}", {}, remove),
  };
}

}  // namespace milter::admin
