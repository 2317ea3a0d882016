// Orders about mail in queues (quota/queue_order.hpp) as the admin API tells of them. Pure.
#pragma once

#include <boost/json.hpp>

#include "quota/queue_order.hpp"

namespace milter {

[[nodiscard]] boost::json::object order_json(const quota::OrderStatus& status);

}  // namespace milter
