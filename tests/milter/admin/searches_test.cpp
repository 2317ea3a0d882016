#include "milter/admin/searches.hpp"

#include <doctest/doctest.h>

#include <span>
#include <stdexcept>
#include <utility>

#include "milter/admin/handlers.hpp"
#include "tests/milter/admin/scripted_operations.hpp"

using namespace milter::admin;

namespace {

Caller token(const std::string& name, const std::string& account = "") { return {.user = name, .address = "192.0.2.1", .role = Role::read, .account = account}; }
const Caller root{.uid = 0, .pid = 7, .user = "root"};

/// What each of `callers` is answered while the searches of those before it are under way.
std::vector<unsigned> statuses(Searches& searches, std::span<const Caller> callers) {
  if (callers.empty()) return {};
  std::vector<unsigned> further;
  const auto response = searches.run(callers[0], [&] {
    further = statuses(searches, callers.subspan(1));
    return Response{};
  });
  if (response.status == 429) further = statuses(searches, callers.subspan(1));
  further.insert(further.begin(), response.status);
  return further;
}

/// Operations during whose search the same token comes again.
class Impatient final : public test::ScriptedOperations {
 public:
  std::vector<std::string> targets{};
  std::vector<unsigned> statuses{};
  const Router* router = nullptr;

  Answer who(const WhoQuestion& question) override {
    for (const auto& target : std::exchange(targets, {})) statuses.push_back(router->handle({"GET", target, "", token("t", question.account)}).status);
    return ScriptedOperations::who(question);
  }
};

}  // namespace

TEST_CASE("a token has one search at a time, and all tokens have two") {
  Searches searches;
  struct {
    std::vector<Caller> callers;
    std::vector<unsigned> want;
  } const rows[] = {
      {{token("a"), token("a"), token("b")}, {200, 429, 200}},
      {{token("a"), token("b"), token("c")}, {200, 200, 429}},
      {{token("a"), root, root, root, token("b")}, {200, 200, 200, 200, 200}},
  };
  for (const auto& row : rows) CHECK(statuses(searches, row.callers) == row.want);
}

TEST_CASE("who has a search under way is told when to come again") {
  Searches searches;
  Response refused;
  (void)searches.run(token("help-desk"), [&] { return refused = searches.run(token("help-desk"), [] { return Response{}; }); });
  CHECK(refused.body == boost::json::object{{"error", "a search of the token help-desk is under way"}, {"hint", "try again in 5 s"}});
  CHECK(refused.headers == std::vector<std::pair<std::string, std::string>>{{"Retry-After", "5"}});
}

TEST_CASE("a search that failed is over") {
  Searches searches;
  CHECK_THROWS((void)searches.run(token("a"), []() -> Response { throw std::runtime_error("x"); }));
  CHECK(searches.run(token("a"), [] { return Response{}; }).status == 200);
}

TEST_CASE("searches are who, and events of which some are left out") {
  struct {
    std::string target, account;
    unsigned want;
  } const rows[] = {
      {"/v1/who?name=x", "", 429},           {"/v1/events?identity=user:a", "", 429}, {"/v1/events?only=daily", "", 429}, {"/v1/events", "acme.test", 429},
      {"/v1/events", "", 200},               {"/v1/events?after=1-0", "", 200},       {"/v1/top", "", 200},
  };
  for (const auto& row : rows) {
    CAPTURE(row.target);
    Impatient operations;
    operations.targets = {row.target};
    const Router router(routes_for(operations));
    operations.router = &router;
    CHECK(router.handle({"GET", "/v1/who?name=x", "", token("t", row.account)}).status == 200);
    CHECK(operations.statuses == std::vector{row.want});
  }
}
