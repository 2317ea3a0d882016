// The routes by which something is changed. What a caller may order beyond his role's name stands here: `support` acts on one sender at
// a time, and the limits that it sets end by themselves.
#pragma once

#include <optional>
#include <vector>

#include "milter/admin/operations.hpp"
#include "milter/admin/routes.hpp"

namespace milter::admin {

/// Empty: the caller may give orders about the sender in the path.
[[nodiscard]] std::optional<Response> objection_to_order(Operations& to, const Caller& caller, const Parameters& at);

[[nodiscard]] std::vector<Route> order_routes(Operations& to);

}  // namespace milter::admin
