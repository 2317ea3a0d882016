#include "milter/admin/queue_routes.hpp"

#include <doctest/doctest.h>

#include "milter/admin/handlers.hpp"
#include "tests/milter/admin/scripted_operations.hpp"

using namespace milter::admin;

namespace {

const Caller root{.uid = 0, .pid = 7, .user = "root"};
const Caller reader{.user = "r", .address = "192.0.2.1", .role = Role::read};
const Caller support{.user = "s", .address = "192.0.2.1", .role = Role::support};
const Caller support_of_acme{.user = "sa", .address = "192.0.2.1", .role = Role::support, .account = "acme.test"};
const Caller chief_of_acme{.user = "ca", .address = "192.0.2.1", .role = Role::admin, .account = "acme.test"};

struct Asked {
  Response response;
  std::vector<std::string> of_daemon;
};

Asked ask(const Caller& caller, const std::string& method, const std::string& target, const std::string& body = "") {
  test::ScriptedOperations operations;
  auto response = Router(routes_for(operations)).handle({method, target, body, caller});
  return {std::move(response), operations.asked};
}

std::string of_numbers(std::size_t count) {
  std::string text = "1";
  for (std::size_t i = 1; i < count; ++i) text += ",1";
  return text;
}

}  // namespace

TEST_CASE("each request about mail in the queues becomes one call of one operation") {
  const std::string reason(500, 'x'), skip(1024, 'y');
  struct {
    std::string method, target, body, want;
  } const rows[] = {
      {"GET", "/v1/held", "", "held"},
      {"GET", "/v1/identities/user:bob/mail", "", "mail user:bob"},
      {"GET", "/v1/shelf?identity=user%3Abob&fate=held&host=mx1&from=7-1&count=20", "", "shelf user:bob held mx1 from=7-1 count=20"},
      {"GET", "/v1/orders", "", "orders host= by=root"},
      {"GET", "/v1/orders?host=mx1.example.test", "", "orders host=mx1.example.test by=root"},
      {"POST", "/v1/identities/user:bob/orders", R"({"fate":"held","act":"send","at_once":true,"reason":"ticket 4711"})",
       "order user:bob held send at_once reason=ticket 4711 by=root"},
      {"POST", "/v1/identities/user:bob/orders", R"({"fate":"sent","act":"delete","with_bounces":true,"at_once":false})",
       "order user:bob sent delete with_bounces reason= by=root"},
      {"POST", "/v1/identities/user:bob/orders", R"({"fate":"held","act":"delete","with_bounces":null,"reason":null})", "order user:bob held delete reason= by=root"},
      {"POST", "/v1/identities/user:bob/orders", R"({"fate":"held","act":"send","reason":")" + reason + R"("})", "order user:bob held send reason=" + reason + " by=root"},
      {"POST", "/v1/identities/user:bob/gone", R"({"fate":"held","host":"mx1","places":["1-0","2-0"],"held_for":{"user:bob":2}})", "gone user:bob held mx1 1-0 2-0 user:bob=2"},
      {"POST", "/v1/identities/user:bob/gone", R"({"fate":"held","host":"mx1","places":["1-0"],"held_for":{},"let_go":true})", "gone user:bob held mx1 1-0 let_go"},
      {"POST", "/v1/identities/user:bob/grant", R"({"recipients":[3,1,0,9007199254740992]})", "grant user:bob 3 1 0 9007199254740992"},
      {"POST", "/v1/identities/user:bob/told", R"({"fate":"held","host":"mx1","act":"delete","counts":{"done":2},"reason":"by hand"})",
       "told user:bob held mx1 delete reason=by hand by=root"},
      {"PUT", "/v1/orders/ab12/hosts/mx1%2Fa", R"({"state":"running","counts":{"done":2,"total":3},"skips":[")" + skip + R"("]})",
       "report ab12 mx1/a running error= done=2 total=3 [" + skip + "]"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.target);
    CAPTURE(row.body);
    const auto asked = ask(root, row.method, row.target, row.body);
    CHECK(asked.response.status == 200);
    CHECK(asked.of_daemon == std::vector{row.want});
  }
}

TEST_CASE("what cannot be meant about mail in the queues is answered 400 and asks nothing of the daemon") {
  const std::string orders = "/v1/identities/user:bob/orders", gone = "/v1/identities/user:bob/gone", grant = "/v1/identities/user:bob/grant", report = "/v1/orders/ab12/hosts/mx1";
  struct {
    std::string method, target, body, want;
  } const rows[] = {
      {"GET", "/v1/orders?hosts=mx1", "", R"(unknown parameter "hosts")"},
      {"GET", "/v1/orders?host=a%0Ab", "", R"(the parameter "host" contains a control character)"},
      {"GET", "/v1/shelf?identity=" + std::string(501, 'x'), "", R"(the parameter "identity" is too long)"},
      {"GET", "/v1/shelf?host=a%1Bb", "", R"(the parameter "host" contains a control character)"},
      {"POST", orders, R"({"fate":"held","act":"send","hosts":["mx1"]})", R"(unknown field "hosts")"},
      {"POST", orders, R"({"fate":1,"act":"send"})", R"("fate" is no text of one line and at most 500 bytes)"},
      {"POST", orders, R"({"fate":"held","act":"send","at_once":"yes"})", R"("at_once" is neither true nor false)"},
      {"POST", orders, R"({"fate":"held","act":"send","with_bounces":1})", R"("with_bounces" is neither true nor false)"},
      {"POST", orders, R"({"fate":"held","act":"send","reason":"a\nverdict=accept"})", R"("reason" is no text of one line and at most 500 bytes)"},
      {"POST", orders, R"({"fate":"held","act":"send","reason":")" + std::string(501, 'x') + R"("})", R"("reason" is no text of one line and at most 500 bytes)"},
      {"POST", "/v1/identities/user%3Ab%0Aob/orders", R"({"fate":"held","act":"send"})", "the id cannot be read"},
      {"POST", "/v1/identities/" + std::string(501, 'x') + "/orders", R"({"fate":"held","act":"send"})", "the id cannot be read"},
      {"POST", gone, R"({"places":"1-0"})", R"("places" is no list of at most 1000)"},
      {"POST", gone, R"({"places":[1]})", R"("places" holds something else than texts of one line)"},
      {"POST", gone, R"({"places":["a\nb"]})", R"("places" holds something else than texts of one line)"},
      {"POST", gone, R"({"places":[")" + std::string(1025, 'x') + R"("]})", R"("places" holds something else than texts of one line)"},
      {"POST", gone, R"({"held_for":["user:bob"]})", R"("held_for" is no object of numbers)"},
      {"POST", gone, R"({"held_for":{"user:bob":-1}})", R"("held_for" holds something else than whole numbers)"},
      {"POST", gone, R"({"held_for":{"user:b\nob":1}})", R"("held_for" has a name that is no text of one line)"},
      {"POST", grant, R"({"recipients":[1.5]})", R"("recipients" holds something else than whole numbers)"},
      {"POST", grant, R"({"recipients":[9007199254740993]})", R"("recipients" holds something else than whole numbers)"},
      {"POST", grant, R"({"recipients":[18446744073709551615]})", R"("recipients" holds something else than whole numbers)"},
      {"POST", grant, R"({"recipients":["1"]})", R"("recipients" holds something else than whole numbers)"},
      {"POST", grant, R"({"recipients":[)" + of_numbers(1001) + "]}", R"("recipients" is no list of at most 1000)"},
      {"PUT", report, R"({"state":"done","skips":["a\u0007"]})", R"("skips" holds something else than texts of one line)"},
      {"PUT", report, R"({"state":"done","done":1})", R"(unknown field "done")"},
      {"PUT", "/v1/orders/ab12/hosts/mx1%0A", R"({"state":"done"})", "the host cannot be read"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.target);
    CAPTURE(row.body);
    const auto asked = ask(root, row.method, row.target, row.body);
    CHECK(asked.response.status == 400);
    CHECK(asked.of_daemon.empty());
    CHECK(asked.response.body.at("error") == boost::json::string(row.want));
  }
}

TEST_CASE("who may look at mail in the queues, and who may order about it") {
  const std::string send = R"({"fate":"held","act":"send"})", remove = R"({"fate":"held","act":"delete"})", hold = R"({"fate":"sent","act":"hold"})";
  const std::string own = "/v1/identities/user:bob@acme.test", other = "/v1/identities/user:bob@other.test";
  struct {
    Caller caller;
    std::string method, target, body;
    bool may;
  } const rows[] = {
      {reader, "GET", "/v1/held", "", true},
      {reader, "GET", "/v1/shelf?identity=x", "", true},
      {reader, "GET", "/v1/orders", "", true},
      {reader, "GET", other + "/mail", "", true},
      {reader, "POST", other + "/orders", send, false},
      {support, "POST", other + "/orders", send, true},
      {support, "POST", other + "/orders", hold, true},
      {support, "POST", other + "/orders", remove, false},
      {support, "POST", other + "/release", R"({"held":"send"})", true},
      {support, "POST", other + "/release", R"({"held":"delete"})", false},
      {support, "POST", "/v1/identities/everyone:all/orders", send, false},  // what a limit on everyone held is many senders' mail
      {support, "POST", "/v1/identities/everyone/orders", send, false},
      {support, "POST", "/v1/identities/*/orders", send, false},
      {root, "POST", "/v1/identities/everyone:all/orders", remove, true},
      {root, "POST", other + "/orders", remove, true},
      // the three that the hosts tell by, and what the quotas let go
      {support, "POST", other + "/gone", "", false},
      {support, "POST", other + "/grant", "", false},
      {support, "POST", other + "/told", "", false},
      {support, "PUT", "/v1/orders/ab12/hosts/mx1", R"({"state":"done"})", false},
      // a token of an account
      {chief_of_acme, "GET", own + "/mail", "", true},
      {chief_of_acme, "GET", other + "/mail", "", false},
      {chief_of_acme, "GET", "/v1/held", "", false},
      {chief_of_acme, "GET", "/v1/shelf?identity=user:bob@acme.test", "", false},
      {chief_of_acme, "GET", "/v1/orders", "", false},
      {chief_of_acme, "POST", own + "/orders", remove, true},
      {chief_of_acme, "POST", other + "/orders", remove, false},
      {chief_of_acme, "POST", own + "/gone", "", false},
      {chief_of_acme, "POST", own + "/grant", "", false},
      {chief_of_acme, "POST", own + "/told", "", false},
      {chief_of_acme, "PUT", "/v1/orders/ab12/hosts/mx1", R"({"state":"done"})", false},
      {support_of_acme, "POST", own + "/orders", send, true},
      {support_of_acme, "POST", own + "/orders", remove, false},
      {support_of_acme, "POST", other + "/orders", send, false},
  };
  for (const auto& row : rows) {
    CAPTURE(row.caller.user);
    CAPTURE(row.target);
    CAPTURE(row.body);
    const auto asked = ask(row.caller, row.method, row.target, row.body);
    CHECK(asked.response.status == (row.may ? 200 : 403));
    CHECK(asked.of_daemon.size() == (row.may ? 1 : 0));
  }
}

TEST_CASE("a token of an account is not told whose mail had taken an id") {
  test::ScriptedOperations operations;
  operations.next = boost::json::object{{"held", boost::json::array()}, {"orders", {{{"hosts", {{{"host", "mx1"}, {"skips", {"4X: its sender is <eve@other.test>"}}}}}}}}};
  const auto router = Router(routes_for(operations));
  const auto skips_for = [&](const Caller& caller) {
    return router.handle({"GET", "/v1/identities/user:bob@acme.test/mail", "", caller}).body.at("orders").at(0).at("hosts").at(0).at("skips").as_array().size();
  };
  CHECK(skips_for(reader) == 1);
  CHECK(skips_for(chief_of_acme) == 0);
}
