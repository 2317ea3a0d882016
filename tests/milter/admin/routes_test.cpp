#include "milter/admin/routes.hpp"

#include <doctest/doctest.h>

using namespace milter::admin;

namespace {

// Answers with what it was given, so that a test sees which handler ran and what it was told.
Handler echo(const std::string& name) {
  return [name](const Request& request, const Parameters& parameters) {
    Response response;
    response.body["handler"] = name;
    for (const auto& [key, value] : parameters) response.body[key] = value;
    if (!request.body.empty()) response.body["body"] = request.body;
    for (const auto& [key, value] : request.query) response.body["?" + key] = value;
    return response;
  };
}

Router example() {
  return Router({
      {"GET", "/v1/status", echo("status")},
      {"GET", "/v1/mode", echo("mode")},
      {"PUT", "/v1/mode", echo("set_mode")},
      {"DELETE", "/v1/mode", echo("clear_mode")},
      {"POST", "/v1/identities/{id}/release", echo("release")},
      {"PUT", "/v1/identities/{id}/limits/{quota}", echo("limit")},
  });
}

}  // namespace

TEST_CASE("a request goes to the route of its method and path, and a broken one is told why it does not") {
  struct {
    std::string method, target, body;
    unsigned want_status;
    std::string want;
  } const cases[] = {
      {"GET", "/v1/status", "", 200, R"({"handler":"status"})"},
      {"GET", "/v1/status?a=1", "", 200, R"({"handler":"status","?a":"1"})"},
      {"PUT", "/v1/mode", R"({"mode":"observe"})", 200, R"({"handler":"set_mode","body":{"mode":"observe"}})"},
      {"DELETE", "/v1/mode", " \n", 200, R"({"handler":"clear_mode"})"},
      {"POST", "/v1/identities/script%3Amx1%2F0%3Aa.php/release", "{}", 200,
       R"({"handler":"release","id":"script:mx1/0:a.php"})"},
      {"PUT", "/v1/identities/*/limits/mailbox", "{}", 200, R"({"handler":"limit","id":"*","quota":"mailbox"})"},
      {"GET", "/", "", 404, ""},
      {"GET", "/v2/status", "", 404, ""},
      {"GET", "/v1/status/", "", 200, R"({"handler":"status"})"},  // a trailing slash is forgiven
      {"GET", "/v1/status/more", "", 404, ""},
      {"POST", "/v1/identities//release", "", 404, ""},  // a name never stands for nothing
      {"GET", "/v1/a%zz", "", 400, ""},
      {"PUT", "/v1/mode", "{\"mode\":", 400, ""},
      {"PUT", "/v1/mode", "[1]", 400, ""},
      {"PUT", "/v1/mode", "\"observe\"", 400, ""},
      {"PUT", "/v1/mode", "{} {}", 400, ""},
      {"PUT", "/v1/mode", std::string(60000, '['), 400, ""},  // nested too deeply, no stack overflow
      {"POST", "/v1/mode", "", 405, ""},
      {"get", "/v1/mode", "", 405, ""},  // methods are case-sensitive
  };
  const auto router = example();
  for (const auto& row : cases) {
    const auto& [method, target, body, want_status, want] = row;
    CAPTURE(row.method);
    CAPTURE(row.target);
    const auto response = router.handle({method, target, body, {}});
    CHECK(response.status == want_status);
    if (want_status == 200) CHECK(boost::json::serialize(response.body) == want);
    if (want_status != 200) CHECK(response.body.at("error").is_string());
    if (want_status != 200) CHECK(response.body.at("hint").is_string());
  }
}

TEST_CASE("a wrong method is told which methods there are") {
  const auto response = example().handle({"POST", "/v1/mode", "", {}});
  CHECK(response.allow == "GET, PUT, DELETE");
  CHECK(response.body.at("error") == "POST is not possible here");
  CHECK(response.body.at("hint") == "use GET, PUT, DELETE");
}

TEST_CASE("who may not ask is told so before anything else, and a stranger not even what there is") {
  const Router router({{"GET", "/open", echo("open"), Role::none, Reach::sender},
                       {"GET", "/look", echo("look"), Role::read, Reach::sender},
                       {"GET", "/whole", echo("whole"), Role::read, Reach::cluster},
                       {"PUT", "/unsaid", echo("unsaid")}});
  const Caller stranger{.address = "192.0.2.1", .role = Role::none};
  const Caller reader{.user = "r", .address = "192.0.2.1", .role = Role::read};
  const Caller chief_of_acme{.user = "c", .address = "192.0.2.1", .role = Role::admin, .account = "acme"};
  const Caller root{.user = "root"};
  struct {
    Caller caller;
    std::string method, target;
    unsigned want;
  } const rows[] = {
      {stranger, "GET", "/open", 200}, {stranger, "GET", "/look", 401}, {stranger, "POST", "/look", 401}, {stranger, "GET", "/nowhere", 401},
      {reader, "GET", "/look", 200},   {reader, "GET", "/whole", 200},  {reader, "PUT", "/unsaid", 403},  {reader, "GET", "/nowhere", 404},
      {chief_of_acme, "GET", "/look", 200}, {chief_of_acme, "GET", "/whole", 403}, {chief_of_acme, "PUT", "/unsaid", 403},
      {root, "GET", "/whole", 200},    {root, "PUT", "/unsaid", 200},   // a route that says nothing is an administrator's
  };
  for (const auto& row : rows) {
    CAPTURE(row.target);
    CAPTURE(row.caller.user);
    CHECK(router.handle({row.method, row.target, "{not read", row.caller}).status == (row.want == 200 ? 400 : row.want));
    CHECK(router.handle({row.method, row.target, "", row.caller}).status == row.want);
  }
}

TEST_CASE("what waits for the store is told from what does not") {
  const Router router({{"GET", "/fast", echo(""), Role::none, Reach::sender, Pace::prompt}, {"GET", "/slow/{id}", echo("")}, {"PUT", "/fast", echo("")}});
  CHECK(router.is_prompt({"GET", "/fast", "", {}}));
  CHECK_FALSE(router.is_prompt({"GET", "/slow/x", "", {}}));
  CHECK_FALSE(router.is_prompt({"PUT", "/fast", "", {}}));
  CHECK(router.is_prompt({"GET", "/nowhere", "", {}}));
  CHECK(router.is_prompt({"GET", "no path", "", {}}));
}
