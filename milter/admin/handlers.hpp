// The routes of the API (milter/admin/api.hpp) over the operations of the daemon: checks that a body has the right
// fields, turns it into an order, and the answer into a response. Each route says who may ask (routes.hpp).
#pragma once

#include <vector>

#include "milter/admin/operations.hpp"
#include "milter/admin/routes.hpp"

namespace milter::admin {

/// Requires: `operations` outlives the routes.
[[nodiscard]] std::vector<Route> routes_for(Operations& operations);

}  // namespace milter::admin
