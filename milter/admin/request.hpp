// A request to the admin endpoint, as values: what arrived (RawRequest) and what was understood of it (Request).
// Knows no socket and no HTTP library, so that routes and handlers are tested by calling them.
#pragma once

#include <sys/types.h>

#include <boost/json.hpp>
#include <map>
#include <string>
#include <vector>

namespace milter::admin {

/// Who asks, as the kernel says (SO_PEERCRED): it cannot be forged by the caller.
struct Caller {
  uid_t uid = 0;
  pid_t pid = 0;
  std::string user;  // the login name, or `uid:1234` where no name is known; what events show as `by`
};

/// What the listener read; body and target are untouched.
struct RawRequest {
  std::string method;  // as sent: GET, PUT, …
  std::string target;  // as sent: /v1/identities/user%3Aalice?x=y
  std::string body;
  Caller caller;
};

/// What was understood: the path in decoded segments (a segment may contain '/'), the query and the body decoded.
struct Request {
  std::string method;
  std::vector<std::string> path;
  std::map<std::string, std::string> query;
  boost::json::object body;  // empty when none was sent
  Caller caller;
};

}  // namespace milter::admin
