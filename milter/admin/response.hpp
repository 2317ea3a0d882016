// The answer of the admin endpoint as a value: an HTTP status and a JSON object, or a text.
#pragma once

#include <boost/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace milter::admin {

struct Response {
  unsigned status = 200;
  boost::json::object body = {};
  std::optional<std::string> text = {};  // in place of `body`, for /metrics and the page
  std::string allow = {};  // the methods that exist here, for 405 only: "GET, PUT"
  std::string type = "text/plain; version=0.0.4; charset=utf-8";    // of `text`
  std::vector<std::pair<std::string, std::string>> headers = {};     // in place of, or beside, those of every answer
};

}  // namespace milter::admin
