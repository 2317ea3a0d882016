// The routes of the API (milter/admin/api.hpp) over the operations of the daemon: checks that a body has the right
// fields, turns it into an order, and the answer into a response. Decides nothing.
#pragma once

#include <vector>

#include "milter/admin/operations.hpp"
#include "milter/admin/routes.hpp"

namespace milter::admin {

/// Requires: `operations` outlives the routes.
[[nodiscard]] std::vector<Route> routes_for(Operations& operations);

/// What an operation answered, as a response.
[[nodiscard]] Response answer(Operations::Answer result);

/// Of these, the ones about mail in the queues of MTAs that have a body.
[[nodiscard]] std::vector<Route> queue_routes(Operations& operations);

}  // namespace milter::admin
