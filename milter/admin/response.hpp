// The answer of the admin endpoint as a value: an HTTP status and a JSON object, or a text.
#pragma once

#include <boost/json.hpp>
#include <optional>
#include <string>

namespace milter::admin {

struct Response {
  unsigned status = 200;
  boost::json::object body = {};
  std::optional<std::string> text = {};  // in place of `body`, for /metrics
  std::string allow = {};  // the methods that exist here, for 405 only: "GET, PUT"
};

}  // namespace milter::admin
