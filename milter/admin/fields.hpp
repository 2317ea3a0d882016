// What the handlers of all routes share: the fields of a body, the parameters of a query, and the answers to those that cannot be read.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "milter/admin/operations.hpp"
#include "milter/admin/problem.hpp"
#include "milter/admin/routes.hpp"

namespace milter::admin {

using Fields = std::map<std::string, std::string>;
using Names = std::vector<std::string_view>;

[[nodiscard]] Response answer(Operations::Answer result);
[[nodiscard]] Response bad_request(std::string what, std::string hint);
[[nodiscard]] Response forbidden(std::string what, std::string hint);

/// The texts of the body; one that is null is absent. Errors: 400 for fields that are not `known`, and for what is no text of one line.
[[nodiscard]] quota::Result<Fields, Response> read_fields(const Request& request, const Names& known);
[[nodiscard]] std::optional<std::string> optional_field(const Fields& fields, const std::string& name);
[[nodiscard]] std::string field_or_empty(const Fields& fields, const std::string& name);

/// Why the names in the path cannot be meant; empty where they can.
[[nodiscard]] std::optional<Response> objection_to(const Parameters& parameters);
/// Why the query cannot be meant; empty where it can.
[[nodiscard]] std::optional<Response> objection_to(const std::map<std::string, std::string>& query, const Names& known);

/// 403 for a caller who is bound to an account, where the sender in the path is none of it; empty: he may.
[[nodiscard]] std::optional<Response> objection_to(Operations& to, const Caller& caller, const Parameters& at);

/// Wraps a handler: its request has no fields but `known`, and its path no hidden control characters.
template <class Act>
Handler with_fields(Names known, Act act) {
  return [known = std::move(known), act](const Request& request, const Parameters& parameters) {
    if (auto objection = objection_to(parameters)) return std::move(*objection);
    const auto fields = read_fields(request, known);
    return fields ? act(request, parameters, *fields) : fields.error();
  };
}

}  // namespace milter::admin
