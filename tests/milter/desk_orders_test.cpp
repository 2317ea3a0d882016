// Orders about mail in the queues: of whom they are ordered, which of several counts, and whose held mail goes by itself.
#include "quota/queue_order.hpp"
#include "tests/milter/desk_rig.hpp"

using namespace milter;
using namespace milter::desk_rig;
using quota::Fate;
using Kind = admin::Problem::Kind;

namespace {

const admin::Caller reader{.user = "r", .address = "192.0.2.1", .role = admin::Role::read};
const std::string alice = "user:alice@example.com";

/// An office with held mail.
class MailRoom : public Office {
 public:
  void hold(const std::string& identity, const std::string& host, const std::string& held_for, int count = 1) {
    quota::Note note{.identity = *quota::parse_identity(identity)};
    for (int n = 0; n < count; ++n)
      note.held.push_back({host, setup->store().now(), "A" + std::to_string(++ids_), "a@b", std::nullopt, 1, held_for, identity});
    REQUIRE_FALSE(book->shelves()->write(std::vector{note}, std::chrono::steady_clock::now() + 5s).has_value());
  }
  Desk::Answer order(const std::string& act = "delete", const std::string& identity = alice) {
    return desk.order({identity, "held", act, false, false, "ticket", root});
  }
  Desk::Answer report(const json::object& order, const std::string& state, std::map<std::string, std::int64_t> counts = {}, const std::string& error = "") {
    return desk.report({std::string(order.at("order").as_string()), "mx1", state, std::move(counts), error, {}});
  }
  /// Whose held mail that host is to send.
  std::set<std::string> sent_by(const std::string& host) {
    const auto answer = done(desk.orders({host, root}));
    std::set<std::string> senders;
    for (const auto& one : answer.at("auto").as_array()) senders.emplace(one.as_string());
    return senders;
  }
  void release_by_itself() {
    config = config_of("store.state_dir = \"" + folder.path().native() + "\"\nhold.release = \"auto\"\n" + std::string(mailbox));
  }

 private:
  int ids_ = 0;
};

std::set<std::string> hosts_of(const json::object& order) {
  std::set<std::string> hosts;
  for (const auto& host : order.at("hosts").as_array()) hosts.emplace(host.at("host").as_string());
  return hosts;
}

}  // namespace

TEST_CASE("only who may carry out orders makes a host known, and only by a host's name") {
  MailRoom room;
  room.hold(alice, "mx1", alice);
  for (const auto* const bad : {"mx 2", "a/b", "m\xc3\xbc", "a,b"}) CHECK(refused(room.desk.orders({bad, root})).kind == Kind::bad_request);
  CHECK(refused(room.desk.orders({std::string(256, 'a'), root})).kind == Kind::bad_request);
  for (int n = 0; n < 900; ++n) (void)done(room.desk.orders({"invented" + std::to_string(n), reader}));
  (void)done(room.desk.orders({"mx2", root}));
  CHECK(hosts_of(done(room.order())) == std::set<std::string>{"mx1", "mx2"});
}

TEST_CASE("an order is for so many hosts, and where there are more it says what to do") {
  MailRoom room;
  room.hold(alice, "mx1", alice);
  for (std::size_t n = 0; n < quota::most_hosts_of_order - 1; ++n) (void)done(room.desk.orders({"host" + std::to_string(n), root}));
  CHECK(hosts_of(done(room.order())).size() == quota::most_hosts_of_order);
  (void)done(room.desk.orders({"one-more", root}));
  const auto problem = refused(room.order());
  CHECK(problem.kind == Kind::refused);
  CHECK(problem.what == "mail of user:alice@example.com may lie on 257 hosts, and an order is for 256 at most");
}

TEST_CASE("mail of a host that can never ask for orders is not waited for") {
  MailRoom room;
  room.hold(alice, "mx 1/x", alice);
  CHECK(refused(room.order()).kind == Kind::not_found);
  room.hold(alice, "mx1", alice);
  CHECK(hosts_of(done(room.order())) == std::set<std::string>{"mx1"});
}

