#include "milter/admin/handlers.hpp"

#include <doctest/doctest.h>

#include "tests/milter/admin/scripted_operations.hpp"

using namespace milter::admin;

namespace {
const Caller alice{.uid = 1000, .pid = 7, .user = "alice"};
}

TEST_CASE("each request of the API becomes one call of one operation") {
  struct {
    std::string method, target, body, want;
  } const cases[] = {
      {"GET", "/v1/status", "", "status"},
      {"GET", "/v1/identities/user%3Abob%40example.com", "", "show user:bob@example.com"},
      {"GET", "/v1/identities/user:bob/history", "", "history user:bob"},
      {"GET", "/readyz", "", "ready"},
      {"GET", "/v1/store", "", "ask_store"},
      {"GET", "/v1/events", "", "events identity= after= count="},
      {"GET", "/v1/events?identity=user%3Aa%40b.test&after=1-0&count=5", "", "events identity=user:a@b.test after=1-0 count=5"},
      {"GET", "/v1/who?name=4Xy1&count=5", "", "who name=4Xy1 count=5"},
      {"GET", "/v1/top", "", "top by= per= since= count="},
      {"GET", "/v1/top?by=refused&per=script&since=7d&count=5", "", "top by=refused per=script since=7d count=5"},
      {"GET", "/v1/blocked", "", "blocked search= offset= count="},
      {"GET", "/v1/senders?by=held&per=script&since=7d&search=a%40b&offset=20&count=5", "", "senders by=held per=script since=7d search=a@b offset=20 count=5"},
      {"GET", "/v1/totals", "", "totals"},
      {"GET", "/v1/limits", "", "limits"},
      {"GET", "/v1/nodes", "", "nodes"},
      {"GET", "/v1/mode", "", "mode"},
      {"PUT", "/v1/mode", R"({"mode":"observe"})", "set_mode observe by=alice"},
      {"PUT", "/v1/mode", R"({"mode":"enforce","for":"2h"})", "set_mode enforce for=2h by=alice"},
      {"DELETE", "/v1/mode", "", "clear_mode by=alice"},
      {"POST", "/v1/identities/user:bob/release", "", "release user:bob reason= by=alice"},
      {"POST", "/v1/identities/user:bob/release", R"({"reason":"password changed"})",
       "release user:bob reason=password changed by=alice"},
      {"POST", "/v1/identities/user:bob/block", R"({"for":"1h","reason":"ticket 4711"})",
       "block user:bob for=1h reason=ticket 4711 by=alice"},
      {"POST", "/v1/identities/user:bob/block", R"({"for":null})", "block user:bob reason= by=alice"},
      {"PUT", "/v1/identities/*/limits/mailbox", R"({"limit":"5000 messages / 1d","for":"1d"})",
       "limit * mailbox 5000 messages / 1d for=1d by=alice"},
      {"DELETE", "/v1/identities/user:bob/limits/*", "", "remove_limit user:bob * by=alice"},
      {"POST", "/v1/reload", "{}", "reload by=alice"},
  };
  for (const auto& row : cases) {
    const auto& [method, target, body, want] = row;
    CAPTURE(row.target);
    test::ScriptedOperations operations;
    const auto response = Router(routes_for(operations)).handle({method, target, body, alice});
    CHECK(response.status == 200);
    CHECK(response.body.at("ok") == true);
    REQUIRE(operations.asked.size() == 1);
    CHECK(operations.asked.front() == want);
  }
}

TEST_CASE("what has no meaning is answered 400 and asks nothing of the daemon") {
  const std::string long_text(501, 'x');
  struct {
    std::string method, target, body, want_error;
  } const cases[] = {
      {"GET", "/v1/events?kind=blocked", "", R"(unknown parameter "kind")"},
      {"GET", "/v1/who?name=a%0Ab", "", R"(the parameter "name" contains a control character)"},
      {"GET", "/v1/top?size=5", "", R"(unknown parameter "size")"},
      {"GET", "/v1/top?by=a%0Ab", "", R"(the parameter "by" contains a control character)"},
      {"GET", "/v1/top?by=" + long_text, "", R"(the parameter "by" is too long)"},
      {"PUT", "/v1/mode", "", R"("mode" must be observe or enforce)"},
      {"PUT", "/v1/mode", R"({"mode":"off"})", R"("mode" must be observe or enforce)"},
      {"PUT", "/v1/mode", R"({"mode":1})", R"("mode" is not a text)"},
      {"PUT", "/v1/mode", R"({"mode":"observe","until":"1h"})", R"(unknown field "until")"},
      {"POST", "/v1/reload", R"({"file":"/tmp/x"})", R"(unknown field "file")"},
      {"POST", "/v1/identities/user:bob/release", R"({"reason":"a\nb"})", R"("reason" contains a control character)"},
      {"POST", "/v1/identities/user:bob/release", R"({"reason":")" + long_text + "\"}", R"("reason" is too long)"},
      {"PUT", "/v1/identities/user:bob/limits/mailbox", "{}", R"("limit" is missing)"},
      {"POST", "/v1/identities/user%3Ab%0Aob/block", "{}", "the id contains a control character"},
  };
  for (const auto& row : cases) {
    const auto& [method, target, body, want_error] = row;
    CAPTURE(row.target);
    CAPTURE(row.body);
    test::ScriptedOperations operations;
    const auto response = Router(routes_for(operations)).handle({method, target, body, alice});
    CHECK(response.status == 400);
    CHECK(response.body.at("error") == boost::json::string(want_error));
    CHECK(operations.asked.empty());
  }
}

TEST_CASE("a problem reaches the caller with its status, hint and lines") {
  using Kind = Problem::Kind;
  struct {
    Kind kind;
    unsigned want;
  } const cases[] = {{Kind::bad_request, 400},    {Kind::not_found, 404}, {Kind::refused, 409},
                     {Kind::invalid_config, 422}, {Kind::internal, 500},  {Kind::unavailable, 503}};
  for (const auto& [kind, want] : cases) {
    test::ScriptedOperations operations;
    operations.next = Problem{.kind = kind, .what = "what", .hint = "cure", .problems = {"f:1: a", "f:2: b"}};
    const auto response = Router(routes_for(operations)).handle({"POST", "/v1/reload", "", alice});
    CHECK(response.status == want);
    CHECK(boost::json::serialize(response.body) == R"({"error":"what","hint":"cure","problems":["f:1: a","f:2: b"]})");
  }
}

TEST_CASE("a token of an account is heard about its own senders only, and its lists are asked for as such") {
  const Caller acme{.user = "t", .address = "192.0.2.1", .role = Role::support, .account = "acme.test"};
  struct {
    std::string method, target, want;  // empty: 403, and nothing was asked
  } const rows[] = {
      {"GET", "/v1/identities/user:bob@acme.test", "show user:bob@acme.test"}, {"GET", "/v1/identities/user:bob@other.test", ""},
      {"GET", "/v1/identities/user:bob@other.test/history", ""}, {"POST", "/v1/identities/user:bob@acme.test/release", "release user:bob@acme.test reason= by=t"},
      {"POST", "/v1/identities/user:bob@other.test/release", ""}, {"POST", "/v1/identities/user:bob@other.test/block", ""},
      {"DELETE", "/v1/identities/user:bob@other.test/limits/mailbox", ""}, {"DELETE", "/v1/identities/*/limits/mailbox", ""}, {"GET", "/v1/mode", ""},
      {"GET", "/v1/nodes", ""}, {"GET", "/v1/store", "ask_store"}, {"GET", "/metrics", ""}, {"POST", "/v1/reload", ""},
      {"GET", "/v1/totals", "totals of=acme.test"}, {"GET", "/v1/top", "top by= per= since= count= of=acme.test"},
      {"GET", "/v1/senders", "senders by= per= since= search= offset= count= of=acme.test"}, {"GET", "/v1/blocked", "blocked search= offset= count= of=acme.test"},
      {"GET", "/v1/events", "events identity= after= count= of=acme.test"}, {"GET", "/v1/who?name=x", "who name=x count= of=acme.test"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.target);
    test::ScriptedOperations operations;
    const auto response = Router(routes_for(operations)).handle({row.method, row.target, "", acme});
    CHECK(response.status == (row.want.empty() ? 403 : 200));
    CHECK(operations.asked == (row.want.empty() ? std::vector<std::string>{} : std::vector{row.want}));
  }
}

TEST_CASE("the lists that come whole are cut to a token's account, and the status to what is everybody's") {
  const Caller acme{.user = "t", .address = "192.0.2.1", .role = Role::read, .account = "acme.test"};
  test::ScriptedOperations operations;
  operations.next = boost::json::object{{"limits", {{{"identity", "user:a@acme.test"}}, {{"identity", "*"}}, {{"identity", "user:b@other.test"}}}}};
  const auto router = Router(routes_for(operations));
  CHECK(router.handle({"GET", "/v1/limits", "", acme}).body == boost::json::object{{"limits", {{{"identity", "user:a@acme.test"}}}}});
  operations.next = boost::json::object{{"version", "1"}, {"host", "mx1"}, {"store", {{"url", "redis://secret"}, {"state", "ok"}, {"since", nullptr}}}, {"warnings", {"x"}}};
  CHECK(router.handle({"GET", "/v1/status", "", acme}).body ==
        boost::json::object{{"version", "1"}, {"store", {{"state", "ok"}, {"since", nullptr}}},
                            {"caller", {{"name", "t"}, {"role", "read"}, {"account", "acme.test"}, {"token", true}}}});
}
