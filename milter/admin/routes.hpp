// Which handler answers a request: a table of method and path pattern. Pure; everything an HTTP client can get wrong
// above the level of the protocol is answered here: 400, 404, 405.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "milter/admin/request.hpp"
#include "milter/admin/response.hpp"

namespace milter::admin {

/// What a pattern's names stood for: `{id}` → "user:alice@example.com".
using Parameters = std::map<std::string, std::string>;

using Handler = std::function<Response(const Request&, const Parameters&)>;

struct Route {
  std::string method;   // GET
  std::string pattern;  // /v1/identities/{id}/release; a name stands for one whole segment that is not empty
  Handler handler;
};

class Router {
 public:
  /// The first route that fits answers, so no two routes should fit one request.
  explicit Router(std::vector<Route> routes);

  /// Decodes `raw` and lets its route answer.
  /// Errors:  400 for a target or a body that cannot be read, 404 for a path without a route, 405 with `allow` for a
  ///          path that has routes of other methods only.
  [[nodiscard]] Response handle(const RawRequest& raw) const;

 private:
  struct Entry {
    Route route;
    std::vector<std::string> segments;
  };
  // Constant after construction.
  std::vector<Entry> entries_;
};

}  // namespace milter::admin
