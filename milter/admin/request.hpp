// A request to the admin endpoint, as values: what arrived (RawRequest) and what was understood of it (Request).
// Knows no socket and no HTTP library, so that routes and handlers are tested by calling them.
#pragma once

#include <sys/types.h>

#include <boost/json.hpp>
#include <map>
#include <string>
#include <vector>

#include "milter/admin/access.hpp"

namespace milter::admin {

/// Who asks. On the unix socket as the kernel says (SO_PEERCRED), which cannot be forged, and may do everything, for the socket's
/// group was let in; over TCP nobody, until he shows a token.
struct Caller {
  uid_t uid = 0;
  pid_t pid = 0;
  std::string user = {};     // the login name, or `uid:1234` where no name is known; a token's name; what events show as `by`
  std::string address = {};  // where he connected from; empty on the unix socket
  Role role = Role::admin;
  std::string account = {};  // whose senders he sees; empty: everybody's
};

/// Of HTTP's headers those that decide anything; empty where there is none.
struct Headers {
  std::string authorization = {};
  std::string content_type = {};
  std::string host = {};
  std::string origin = {};
  std::string fetch_site = {};
  bool is_repeated = false;  // one of these came twice
};

/// What the listener read; body and target are untouched.
struct RawRequest {
  std::string method;  // as sent: GET, PUT, …
  std::string target;  // as sent: /v1/identities/user%3Aalice?x=y
  std::string body = {};
  Caller caller = {};
  Headers headers = {};
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
