// What a token that is bound to an account is not told: where the store is, how many senders it has, and what happened to others.
#include <doctest/doctest.h>

#include "milter/admin/handlers.hpp"
#include "tests/milter/admin/scripted_operations.hpp"

using namespace milter::admin;
namespace json = boost::json;

namespace {

const Caller reader{.user = "r", .address = "192.0.2.1", .role = Role::read};
const Caller of_acme{.user = "a", .address = "192.0.2.1", .role = Role::support, .account = "acme.test"};

json::object answer_to(const Caller& caller, const std::string& method, const std::string& target, test::ScriptedOperations::Answer said) {
  test::ScriptedOperations operations;
  operations.next = std::move(said);
  return Router(routes_for(operations)).handle({method, target, "", caller}).body;
}

}  // namespace

TEST_CASE("why the store has no answer is not for a token of an account") {
  const Problem away{Problem::Kind::unavailable, "the store has no answer: redis://10.0.0.7:6379: connection refused", "mail goes on", {}};
  const std::pair<std::string, std::string> requests[] = {{"GET", "/v1/identities/user:bob@acme.test"}, {"GET", "/v1/identities/user:bob@acme.test/history"},
                                                          {"GET", "/v1/identities/user:bob@acme.test/mail"}, {"GET", "/v1/senders"}, {"GET", "/v1/top"}, {"GET", "/v1/totals"},
                                                          {"GET", "/v1/events"}, {"GET", "/v1/who?name=x"}, {"GET", "/v1/store"}, {"GET", "/v1/blocked"},
                                                          {"POST", "/v1/identities/user:bob@acme.test/release"}, {"POST", "/v1/identities/user:bob@acme.test/orders"}};
  for (const auto& request : requests) {
    const auto& method = request.first;
    const auto& target = request.second;
    INFO(method << " " << target);
    CHECK(answer_to(of_acme, method, target, away) == json::object{{"error", "the store has no answer"}, {"hint", "mail goes on"}});
    if (method == "GET") CHECK(answer_to(reader, method, target, away).at("error") == json::string(away.what));
  }
}

TEST_CASE("why there is no history is not for a token of an account") {
  const json::object sender{{"identity", "user:bob@acme.test"}, {"history", nullptr}, {"history_error", "redis://10.0.0.7:6379: connection refused"}};
  CHECK(answer_to(of_acme, "GET", "/v1/identities/user:bob@acme.test", sender).at("history_error") == "the record has no answer");
  CHECK(answer_to(reader, "GET", "/v1/identities/user:bob@acme.test", sender) == sender);
  auto well = sender;
  well["history_error"] = nullptr;
  CHECK(answer_to(of_acme, "GET", "/v1/identities/user:bob@acme.test", well) == well);
}

TEST_CASE("how many senders there are is not for a token of an account") {
  const Problem none{Problem::Kind::not_found, "no message of the last 1d bears \"x\", among those that are kept of 51234 senders", "write a queue id", {}};
  CHECK(answer_to(of_acme, "GET", "/v1/who?name=x", none) == json::object{{"error", "no message that is kept of the account's senders bears that"}, {"hint", "write a queue id"}});
  CHECK(answer_to(reader, "GET", "/v1/who?name=x", none).at("error") == json::string(none.what));
  const json::object found{{"name", "x"}, {"found", json::array()}, {"senders", 51234}, {"complete", true}};
  CHECK(answer_to(of_acme, "GET", "/v1/who?name=x", found).at("senders").is_null());
  CHECK(answer_to(reader, "GET", "/v1/who?name=x", found) == found);
}

TEST_CASE("what a host met is not for a token of an account, but that its order was replaced") {
  const auto mail_with = [](const char* error) { return json::object{{"orders", {{{"hosts", {{{"host", "mx1"}, {"error", error}, {"skips", json::array()}}}}}}}}; };
  const auto error_for = [&](const Caller& caller, const char* error) {
    return answer_to(caller, "GET", "/v1/identities/user:bob@acme.test/mail", mail_with(error)).at("orders").at(0).at("hosts").at(0).at("error");
  };
  CHECK(error_for(of_acme, "the record has no answer: redis://10.0.0.7:6379") == "an error on that host");
  CHECK(error_for(of_acme, "replaced by the order 0123") == "replaced by the order 0123");
  CHECK(error_for(reader, "postsuper: ended with 1") == "postsuper: ended with 1");
}
