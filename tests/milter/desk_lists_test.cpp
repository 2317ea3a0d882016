// What administrators are told in lists, and what a token may not change. Shapes: milter/admin/api.hpp.
#include "tests/milter/desk_rig.hpp"

using namespace milter;
using namespace milter::desk_rig;
using namespace std::chrono_literals;
namespace json = boost::json;
using Kind = admin::Problem::Kind;

TEST_CASE("senders are listed with what each did, by any of it, and the sum of all is told by quarters of an hour") {
  Office office;
  const auto send = [&](const std::string& who, quota::Action action, std::int64_t recipients) {
    office.book->add({{{quota::Kind::user, who + "@example.com"}}, {.at = office.setup->store().now(), .action = action, .client = "192.0.2.7", .recipients = recipients}});
  };
  send("alice", quota::Action::accept, 5);
  for (int i = 0; i < 2; ++i) send("bob", quota::Action::accept, 1);
  send("bob", quota::Action::quarantine, 1);
  const auto names = [&](admin::SendersQuestion question) {
    const auto answer = done(office.desk.senders(question));
    std::string text = std::to_string(answer.at("total").to_number<int>()) + ":";
    for (const auto& row : answer.at("senders").as_array()) text += " " + std::string(row.at("identity").as_string());
    return text;
  };
  CHECK(names({}) == "2: user:bob@example.com user:alice@example.com");
  CHECK(names({.by = "recipients"}) == "2: user:alice@example.com user:bob@example.com");
  CHECK(names({.by = "held"}) == "1: user:bob@example.com");
  CHECK(names({.by = "identity", .offset = "1"}) == "2: user:bob@example.com");
  CHECK(names({.search = "ALI", .count = "1"}) == "1: user:alice@example.com");
  CHECK(names({.offset = "7"}) == "2:");
  CHECK(names({.account = "acme"}) == "0:");
  CHECK(refused(office.desk.senders({.count = "101"})).what == "'101' is no number of rows; write 1 to 100");
  CHECK(refused(office.desk.senders({.offset = "-1"})).kind == Kind::bad_request);
  (void)done(office.desk.block({"bob@example.com", "1h", "", root}));
  CHECK(quota::eventually([&] {
    const auto row = done(office.desk.senders({})).at("senders").at(0);
    return row.at("blocked") == true && row.at("sent") == 2 && row.at("held") == 1 && row.at("refused") == 0 && row.at("networks") == 1;
  }));
  const auto totals = done(office.desk.totals(""));
  CHECK(totals.at("step") == "15m");
  REQUIRE(totals.at("tallies").as_array().size() == 96);
  CHECK(totals.at("tallies").at(95).at("sent").to_number<int>() + totals.at("tallies").at(94).at("sent").to_number<int>() == 3);
  CHECK(done(office.desk.totals("acme")).at("identity") == "account:acme");
}

TEST_CASE("support leaves alone what has no end, and an account has its own senders") {
  Office office;
  const admin::Caller support{.user = "helpdesk", .address = "192.0.2.1", .role = admin::Role::support};
  (void)done(office.desk.limit({"user:alice", "mailbox", "none", {}, root}));
  CHECK(refused(office.desk.limit({"user:alice", "mailbox", "unlimited", "1h", support})).kind == Kind::forbidden);
  CHECK(refused(office.desk.remove_limit({"user:alice", "mailbox", support})).kind == Kind::forbidden);
  CHECK(done(office.desk.limit({"user:bob", "mailbox", "unlimited", "1h", support})).at("by") == "helpdesk");
  CHECK(done(office.desk.remove_limit({"user:bob", "mailbox", support})).at("removed") == true);
  CHECK(office.desk.is_of("account:acme", "acme"));
  CHECK_FALSE(office.desk.is_of("user:alice", "acme"));
  CHECK_FALSE(office.desk.is_of("*", "acme"));
}
