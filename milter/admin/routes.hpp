// Which handler answers a request: a table of method and path pattern. Pure; everything an HTTP client can get wrong
// above the level of the protocol is answered here: 400, 404, 405; and who may not ask, 401 and 403.
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

/// What a route shows or changes.
enum class Reach : std::uint8_t {
  cluster,  // all of it: not for callers who are bound to an account
  sender,   // one sender, or a list in which such a caller finds his own only
};

/// Whether answering may wait for the store.
enum class Pace : std::uint8_t { prompt, waits };

struct Route {
  std::string method;   // GET
  std::string pattern;  // /v1/identities/{id}/release; a name stands for one whole segment that is not empty
  Handler handler;
  Role least = Role::admin;  // who may ask
  Reach reach = Reach::cluster;
  Pace pace = Pace::waits;
};

class Router {
 public:
  /// The first route that fits answers, so no two routes should fit one request.
  explicit Router(std::vector<Route> routes);

  /// Decodes `raw` and lets its route answer.
  /// Errors:  400 for a target or a body that cannot be read, 404 for a path without a route, 405 with `allow` for a
  ///          path that has routes of other methods only. 401 for a caller who showed no token where one is needed, 403 for one
  ///          whose token is not good for it; neither learns whether the path has other methods.
  [[nodiscard]] Response handle(const RawRequest& raw) const;

  /// Whether handle() never waits for the store.
  [[nodiscard]] bool is_prompt(const RawRequest& raw) const;

 private:
  struct Entry {
    Route route;
    std::vector<std::string> segments;
  };
  // Constant after construction.
  std::vector<Entry> entries_;
};

}  // namespace milter::admin
