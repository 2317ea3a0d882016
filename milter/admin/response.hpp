// The answer of the admin endpoint as a value: an HTTP status and a JSON object.
#pragma once

#include <boost/json.hpp>
#include <string>

namespace milter::admin {

struct Response {
  unsigned status = 200;
  boost::json::object body = {};
  std::string allow = {};  // the methods that exist here, for 405 only: "GET, PUT"
};

}  // namespace milter::admin
