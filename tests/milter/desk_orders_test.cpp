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

std::string state_of(MailRoom& room, const json::object& order) {
  const auto orders = done(room.desk.orders({"", root})).at("orders").as_array();
  const auto found = std::find_if(orders.begin(), orders.end(), [&order](const json::value& one) { return one.at("order") == order.at("order"); });
  if (found == orders.end()) return "unknown";
  const auto& host = found->at("hosts").at(0);
  return std::string(host.at("state").as_string()) + " " + std::to_string(host.at("counts").at("done").as_int64()) +
         (host.at("error").is_null() ? "" : " " + std::string(host.at("error").as_string()));
}

std::string id_of(const json::object& order) { return std::string(order.at("order").as_string()); }

std::string numbered(int n) { return std::to_string(1000 + n).substr(1); }

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

TEST_CASE("of orders that are given one right after the other the later one counts") {
  MailRoom room;
  room.hold(alice, "mx1", alice);
  auto last = done(room.order());
  for (int n = 0; n < 50; ++n) {
    const auto next = done(room.order(n % 2 == 0 ? "send" : "delete"));
    CHECK(state_of(room, last) == "failed 0 replaced by the order " + id_of(next));
    CHECK(state_of(room, next) == "waiting 0");
    last = next;
  }
  const auto wanted = done(room.desk.orders({"mx1", root})).at("orders").as_array();
  REQUIRE(wanted.size() == 1);
  CHECK(wanted[0].at("order") == last.at("order"));
}

TEST_CASE("a host that is at work hears that its order was replaced, and what it had done by then is told") {
  MailRoom room;
  room.hold(alice, "mx1", alice);
  const auto first = done(room.order());
  CHECK(done(room.report(first, "running", {{"total", 9}, {"done", 2}})).at("host") == "mx1");
  const auto later = done(room.order("send"));
  const auto replaced = "replaced by the order " + id_of(later);
  CHECK(state_of(room, first) == "failed 2 " + replaced);
  const auto problem = refused(room.report(first, "running", {{"total", 9}, {"done", 4}}));
  CHECK(problem.kind == Kind::refused);
  CHECK(problem.hint == replaced);
  CHECK(state_of(room, first) == "failed 2 " + replaced);
  (void)done(room.report(first, "failed", {{"total", 9}, {"done", 5}}, "no longer wanted"));
  CHECK(state_of(room, first) == "failed 5 " + replaced);
  (void)done(room.report(later, "done", {{"total", 4}, {"done", 4}}));
  CHECK(refused(room.report(later, "running", {{"total", 4}, {"done", 1}})).kind == Kind::refused);
  CHECK(state_of(room, later) == "done 4");
}

TEST_CASE("an order that was not told to be replaced, for the store failed in between, is not carried out beside the later one") {
  MailRoom room;
  room.hold(alice, "mx1", alice);
  const auto at = std::chrono::floor<std::chrono::seconds>(room.setup->store().now());
  quota::QueueOrder order{.id = "a", .identity = alice, .act = quota::QueueAct::remove, .at = at - 2s, .hosts = {"mx1", "mx2"}};
  for (const auto* const id : {"a", "b"}) {
    order.id = id;
    REQUIRE(*room.book->shelves()->give(order));
    order.at += 1s;
  }
  CHECK(refused(room.desk.report({"a", "mx1", "running", {{"done", 1}}, "", {}})).hint == "replaced by the order b");
  const auto wanted = done(room.desk.orders({"mx2", root})).at("orders").as_array();
  REQUIRE(wanted.size() == 1);
  CHECK(wanted[0].at("order") == "b");
  CHECK(done(room.desk.orders({"", root})).at("orders").at(0).at("over") == true);
}

TEST_CASE("of many senders whose held mail goes by itself each has its turn") {
  MailRoom room;
  room.release_by_itself();
  std::set<std::string> all, seen;
  for (int n = 0; n < 70; ++n) {
    all.insert("user:u" + numbered(n) + "@example.com");
    room.hold("user:u" + numbered(n) + "@example.com", "mx1", "user:u" + numbered(n) + "@example.com");
  }
  for (int round = 0; round < 4; ++round) {
    const auto now = room.sent_by("mx1");
    CHECK(now.size() == 20);
    seen.insert(now.begin(), now.end());
  }
  CHECK(seen == all);
  CHECK(room.sent_by("mx2").empty());
  CHECK(done(room.desk.orders({"mx1", reader})).at("auto").as_array().empty());
}

TEST_CASE("mail that was held for others hides none that goes by itself") {
  MailRoom room;
  room.release_by_itself();
  room.hold(alice, "mx1", "client:192.0.2.1", 2500);
  room.hold(alice, "mx1", alice);
  room.hold("user:bob@example.com", "mx1", "client:192.0.2.1", 2500);
  CHECK(room.sent_by("mx1") == std::set<std::string>{alice});
}

TEST_CASE("where the blocked are many the others still have their turn, and few are looked at in one round") {
  MailRoom room;
  room.release_by_itself();
  for (int n = 0; n < 300; ++n) {
    const auto who = "user:u" + numbered(n) + "@example.com";
    room.hold(who, "mx1", n % 100 == 0 ? who : "client:192.0.2.1");
    if (n % 2 == 1) (void)done(room.desk.block({who, std::nullopt, "", root}));
  }
  std::set<std::string> seen;
  std::size_t most = 0;
  for (int round = 0; round < 4; ++round) {
    const auto now = room.sent_by("mx1");
    most = std::max(most, now.size());
    seen.insert(now.begin(), now.end());
  }
  CHECK(seen == std::set<std::string>{"user:u000@example.com", "user:u100@example.com", "user:u200@example.com"});
  CHECK(most == 1);  // 50 of the 150 that are not blocked
}
