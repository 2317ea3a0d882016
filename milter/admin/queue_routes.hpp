// The routes about mail in the queues of MTAs that have a body. What cannot be undone is ordered by the role admin alone.
#pragma once

#include <vector>

#include "milter/admin/operations.hpp"
#include "milter/admin/routes.hpp"

namespace milter::admin {

[[nodiscard]] std::vector<Route> queue_routes(Operations& to);

}  // namespace milter::admin
