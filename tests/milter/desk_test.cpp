// What administrators order, done on a real store in a folder of its own. Shapes: milter/admin/api.hpp.
#include "tests/milter/desk_rig.hpp"

using namespace milter;
using namespace milter::desk_rig;
using namespace std::chrono_literals;
namespace json = boost::json;
using Kind = admin::Problem::Kind;

TEST_CASE("the status holds everything that its readers are promised") {
  Office office;
  const auto status = done(office.desk.status());
  CHECK(keys(status) == std::set<std::string>{"version", "host", "pid", "started", "uptime_ms", "config", "mode", "store", "nodes", "mail",
                                              "record", "signals", "blocked", "live_limits", "warnings"});
  CHECK(keys(status.at("config")) == std::set<std::string>{"file", "loaded", "quotas", "fingerprint"});
  CHECK(keys(status.at("nodes")) == std::set<std::string>{"alive", "counted", "shared_by", "setting", "differ"});
  CHECK(status.at("config").at("quotas") == 2);
  CHECK(status.at("config").at("loaded") == "2025-11-22T05:40:00Z");
  CHECK(keys(status.at("mode")) == std::set<std::string>{"live", "since", "until", "by", "quotas"});
  CHECK(status.at("store") == json::value{{"url", "memory:"}, {"state", "ok"}, {"since", nullptr}, {"error", nullptr}, {"tables_error", nullptr},
                                              {"state_error", nullptr}, {"last_outage", nullptr}});
  CHECK(keys(status.at("mail")) ==
        std::set<std::string>{"accepted", "tempfailed", "rejected", "held", "discarded", "observed", "inbound", "uncovered"});
  CHECK(status.at("host") == "mx1");
  CHECK(keys(status.at("signals")) ==
        std::set<std::string>{"refused_early", "store_errors", "php_headers_ignored", "php_headers_repeated", "php_headers_malformed",
                              "php_evaluated", "scripts_over_bound", "without_login", "not_negotiated", "quarantine_failed", "judged_by_share",
                              "events_dropped", "notifications", "notifications_failed", "never_negotiated", "abandoned", "connections", "open_connections"});
}

TEST_CASE("the status counts mail by what happened to it") {
  Office office;
  auto& by_action = office.counters.by_action;
  by_action[static_cast<std::size_t>(quota::Action::accept)] = 7;
  by_action[static_cast<std::size_t>(quota::Action::tempfail)] = 5;
  by_action[static_cast<std::size_t>(quota::Action::reject)] = 4;
  by_action[static_cast<std::size_t>(quota::Action::quarantine)] = 3;
  office.counters.discarded = 1;
  office.counters.observed = 2;
  office.counters.by_cause[static_cast<std::size_t>(quota::Cause::inbound)] = 9;
  office.counters.by_cause[static_cast<std::size_t>(quota::Cause::uncovered)] = 6;
  office.counters.without_login = 1;
  const auto status = done(office.desk.status());
  CHECK(status.at("mail") == json::value{{"accepted", 7}, {"tempfailed", 5}, {"rejected", 4}, {"held", 3}, {"discarded", 1}, {"observed", 2},
                                         {"inbound", 9}, {"uncovered", 6}});
  CHECK(status.at("signals").at("without_login") == 1);
  CHECK(status.at("warnings").as_array().size() >= 2);  // uncovered mail, and macros that are missing
}

TEST_CASE("a store that answers is said to, to who asks for it") {
  Office office;
  CHECK(done(office.desk.ask_store()) == json::object{{"status", "ok"}});
}

TEST_CASE("with memory a daemon is the only node") {
  Office office;
  REQUIRE(quota::eventually([&] { return office.nodes.last().count() == 1; }));
  const auto answer = done(office.desk.nodes());
  CHECK(keys(answer) == std::set<std::string>{"nodes", "alive", "counted", "shared_by", "setting", "error"});
  CHECK(answer.at("alive") == 1);
  CHECK(answer.at("shared_by") == 1);
  CHECK(answer.at("setting") == "auto");
  REQUIRE(answer.at("nodes").as_array().size() == 1);
  const auto& node = answer.at("nodes").as_array()[0];
  CHECK(keys(node) == std::set<std::string>{"node", "version", "config", "config_since", "seen", "state", "since", "alive", "differs", "self"});
  CHECK(node.at("node") == "mx1");
  CHECK(node.at("config").as_string() == fingerprint_of(*office.config));
  CHECK(node.at("state") == "normal");
  CHECK(node.at("self") == true);
  CHECK(node.at("differs") == false);
}

TEST_CASE("a store without an answer is told as degraded, since when and why") {
  Office office;
  office.setup->note_health("connection refused");
  const auto store = done(office.desk.status()).at("store").as_object();
  CHECK(store.at("state") == "degraded");
  CHECK(store.at("since").is_string());
  CHECK(store.at("error") == "connection refused");
  office.setup->note_health("");
  const auto after = done(office.desk.status()).at("store").as_object();
  CHECK(after.at("state") == "ok");
  CHECK(after.at("last_outage").at("error") == "connection refused");
  CHECK(after.at("last_outage").at("from") == store.at("since"));
}

TEST_CASE("who listens to the store's health is told each change once, and how it is when he begins") {
  Office office;
  std::vector<std::string> told;
  office.setup->note_health("connection refused");
  office.setup->listen_to_health([&](const std::string& error, quota::Timestamp) { told.push_back(error); });
  office.setup->note_health("timed out");
  office.setup->note_health("");
  office.setup->note_health("");
  office.setup->note_health("timed out");
  CHECK(told == std::vector<std::string>{"connection refused", "", "timed out"});
  CHECK(office.log.errors() == 2);
  CHECK(office.log.warnings() == 1);
}

TEST_CASE("tables that cannot be read, and a folder that cannot be written, are shown as long as that lasts") {
  Office office;
  office.setup->note_tables("NOPERM hscan");
  office.setup->note_state("the known blocks", "No space left on device");
  auto status = done(office.desk.status());
  CHECK(status.at("store").at("state") == "ok");
  CHECK(status.at("store").at("tables_error") == "NOPERM hscan");
  CHECK(status.at("store").at("state_error") == "No space left on device");
  CHECK(status.at("warnings").as_array().size() >= 2);
  office.setup->note_tables("");
  office.setup->note_state("the known blocks", "");
  status = done(office.desk.status());
  CHECK(status.at("store").at("tables_error").is_null());
  CHECK(status.at("store").at("state_error").is_null());
}

TEST_CASE("a server that throws data away is one warning in the log, one in the status with what to type, and one event of the cluster") {
  Office office;
  const auto warned = [&] {
    const auto status = done(office.desk.status());
    std::string all;
    for (const auto& one : status.at("warnings").as_array()) all += std::string(one.as_string()) + "\n";
    return all;
  };
  const auto before = office.log.warnings();
  office.setup->note_eviction("10.0.0.1:6379", "allkeys-lru");
  CHECK(office.log.warnings() == before + 1);
  CHECK(warned().find("Redis 10.0.0.1:6379 ") != std::string::npos);
  CHECK(warned().find("maxmemory-policy allkeys-lru") != std::string::npos);
  CHECK(warned().find("redis-cli CONFIG SET maxmemory-policy noeviction") != std::string::npos);
  const auto alarms = office.setup->alarms();
  REQUIRE(alarms.size() == 1);
  CHECK(alarms.front().claim == "redis-evicts:10.0.0.1:6379:allkeys-lru");
  CHECK(alarms.front().event.what == "redis_evicts");
  CHECK(alarms.front().event.severity == "warning");
  REQUIRE(office.setup->ledger().append(alarms.front().event).has_value());
  CHECK(office.log.warnings() == before + 1);
  office.setup->note_eviction("10.0.0.1:6379", "");
  CHECK(warned().find("10.0.0.1") == std::string::npos);
  CHECK(office.setup->alarms().empty());
}

TEST_CASE("the status names every server that fails, and says when nobody knows which servers there are") {
  using What = quota::RedisNews::What;
  Office office;
  const auto store = [&] { return done(office.desk.status()).at("store").as_object(); };
  const auto warnings = [&] { return done(office.desk.status()).at("warnings").as_array().size(); };
  office.setup->note_news({.what = What::server_fails, .server = "r1:7001", .error = "r1:7001: connection refused"});
  office.setup->note_health("r1:7001: connection refused");
  office.setup->note_news({.what = What::server_fails, .server = "r2:7001", .error = "timed out"});
  CHECK(store().at("error") == "r1:7001: connection refused; r2:7001: timed out");
  office.setup->note_news({.what = What::server_works, .server = "r1:7001"});
  CHECK(store().at("error") == "r2:7001: timed out");
  office.setup->note_news({.what = What::master_changed, .server = "r2:7001", .successor = "r3:7001"});
  office.setup->note_health("");
  CHECK(store().at("state") == "ok");
  CHECK(office.log.errors() == 3);
  CHECK(office.log.warnings() == 3);
  const auto before = warnings();
  office.setup->note_news({.what = What::discovery_fails, .error = "no sentinel of \"m\" answers"});
  CHECK(warnings() == before + 1);
  office.setup->note_news({.what = What::discovery_works});
  CHECK(warnings() == before);
  CHECK(office.log.errors() == 4);
  CHECK(office.log.warnings() == 4);
}

TEST_CASE("what befell the store is logged once, and told to the stream as well") {
  Office office;
  const auto before = office.log.errors() + office.log.warnings();
  office.setup->listen_to_health([&](const std::string& error, quota::Timestamp at) { office.nodes.note_health(error, at); });
  office.setup->note_health("connection refused");
  office.setup->note_health("");
  REQUIRE(quota::eventually([&] { return office.events().size() == 2; }));
  CHECK(office.events() == std::vector<std::string>{"recovered  by sendquotad", "degraded  by sendquotad"});
  CHECK(office.log.errors() + office.log.warnings() == before + 2);
}

TEST_CASE("a block is made, listed, shown and released, and the daemon forgets who was refused") {
  Office office;
  const auto block = done(office.desk.block({"user:Alice", "1h", "ticket 4711", root}));
  CHECK(block.at("identity") == "user:alice@example.com");  // a bare login has the realm that the MTA's logins get
  CHECK(block.at("reason") == "ticket 4711");
  CHECK(block.at("by") == "root");
  CHECK(block.at("by_hand") == true);
  CHECK(block.at("until").is_string());
  CHECK(office.forgotten == 1);
  const auto listed = [&] { return done(office.desk.blocked({})).at("blocked").as_array().size(); };
  REQUIRE(quota::eventually([&] { return listed() == 1; }));
  CHECK(done(office.desk.status()).at("blocked") == 1);
  CHECK(done(office.desk.show("alice@example.com")).at("blocked").at("reason") == "ticket 4711");

  const auto release = done(office.desk.release({"user:alice", "called back", root}));
  CHECK(keys(release) == std::set<std::string>{"identity", "released", "refilled", "block", "order"});
  CHECK(release.at("released") == true);
  CHECK(release.at("block").at("reason") == "ticket 4711");
  CHECK(office.forgotten == 2);
  REQUIRE(quota::eventually([&] { return listed() == 0; }));
  CHECK(office.events() == std::vector<std::string>{"released user:alice@example.com by root", "blocked user:alice@example.com by root"});

  const auto nothing = done(office.desk.release({"user:alice", "", root}));
  CHECK(nothing.at("released") == false);
  CHECK(nothing.at("refilled") == true);
  CHECK(nothing.at("block").is_null());
}

TEST_CASE("a live limit is set, listed and removed") {
  Office office;
  const auto limit = done(office.desk.limit({"user:alice", "mailbox", "5000 messages/1d", "1h", root}));
  CHECK(limit.at("identity") == "user:alice@example.com");
  CHECK(limit.at("limit") == "5000 messages / 1d");
  CHECK(limit.at("by") == "root");
  const auto listed = [&] { return done(office.desk.limits()).at("limits").as_array(); };
  REQUIRE(quota::eventually([&] { return listed().size() == 1; }));
  CHECK(keys(listed().front()) == std::set<std::string>{"identity", "quota", "limit", "since", "until", "by", "error"});
  CHECK(done(office.desk.status()).at("live_limits") == 1);

  const json::value removed{{"identity", "user:alice@example.com"}, {"quota", "mailbox"}, {"removed", true}};
  CHECK(done(office.desk.remove_limit({"user:Alice", "mailbox", root})) == removed);
  REQUIRE(quota::eventually([&] { return listed().empty(); }));
  CHECK(done(office.desk.remove_limit({"user:alice", "mailbox", root})).at("removed") == false);
  CHECK(done(office.desk.limit({"*", "*", "unlimited", {}, root})).at("identity") == "*");
  CHECK(done(office.desk.remove_limit({"*", "*", root})).at("removed") == true);
}

TEST_CASE("the limit of a quota that a reload took away can still be removed") {
  Office office;
  (void)done(office.desk.limit({"*", "hosts", "unlimited", {}, root}));
  office.config = config_of("[[quota]]\nname = \"mailbox\"\nper = \"user\"\nlimits = \"1 messages / 1h\"\n");
  CHECK(done(office.desk.remove_limit({"*", "hosts", root})).at("removed") == true);
  CHECK(refused(office.desk.remove_limit({"*", "hosts", root})).kind == Kind::not_found);
}

TEST_CASE("the mode is switched for everybody, and back to what the configuration says") {
  Office office;
  const auto observing = done(office.desk.set_mode({"observe", "2h", root}));
  CHECK(observing.at("live") == "observe");
  CHECK(observing.at("by") == "root");
  CHECK(observing.at("until").is_string());
  CHECK(observing.at("quotas").at(0).at("effective") == "observe");
  REQUIRE(quota::eventually([&] { return done(office.desk.mode()).at("live") == "observe"; }));
  const auto cleared = done(office.desk.clear_mode(root));
  CHECK(cleared.at("live").is_null());
  CHECK(cleared.at("quotas").at(0).at("effective") == "enforce");
  CHECK(office.forgotten == 2);
}

TEST_CASE("the mode and everybody's limit on every quota are each told how to take the other away") {
  Office office;
  (void)done(office.desk.set_mode({"observe", {}, root}));
  for (const auto& answer : {office.desk.limit({"*", "*", "unlimited", {}, root}), office.desk.remove_limit({"*", "*", root})}) {
    const auto problem = refused(answer);
    CHECK(problem.kind == Kind::refused);
    CHECK(problem.hint.find("sendquota mode config") != std::string::npos);
  }
  (void)done(office.desk.clear_mode(root));
  (void)done(office.desk.limit({"*", "*", "unlimited", {}, root}));
  for (const auto& answer : {office.desk.set_mode({"observe", {}, root}), office.desk.clear_mode(root)}) {
    const auto problem = refused(answer);
    CHECK(problem.kind == Kind::refused);
    CHECK(problem.hint.find("sendquota limit '*' '*' remove") != std::string::npos);
  }
  CHECK(office.forgotten == 3);  // what is refused changes nothing
}

TEST_CASE("what a sender was refused before its release does not count after it") {
  Office office;
  const quota::Identity alice{quota::Kind::user, "alice@example.test"}, bob{quota::Kind::user, "bob@example.test"};
  for (const auto& who : {alice, bob}) office.blocker.refused(who, "mailbox", 10min);
  (void)done(office.desk.release({"user:alice@example.test", "", root}));
  office.blocker.stop();  // writes what it has
  const auto refusals_of = [&](const quota::Identity& who) { return office.setup->ledger().record(who)->refusals.size(); };
  CHECK(refusals_of(bob) == 1);
  CHECK(refusals_of(alice) == 0);
}

TEST_CASE("an order that changes no table waits for none") {
  Office office;
  office.keeper.stop();  // so that no table becomes visible any more
  // The least of three: a machine may be busy, but not each time for as long as a table is waited for.
  auto least = 1h + 0ms;
  for (int i = 0; i < 3; ++i) {
    const auto began = std::chrono::steady_clock::now();
    CHECK(done(office.desk.release({"user:alice", "", root})).at("released") == false);
    (void)done(office.desk.clear_mode(root));
    least = std::min(least, std::chrono::ceil<quota::Milliseconds>(std::chrono::steady_clock::now() - began));
  }
  CHECK(least < 250ms);
  CHECK(office.forgotten == 3);  // a release is obeyed at once, whatever it changed
}

TEST_CASE("a live limit that cannot be understood is listed with what stands in the table") {
  Office office;
  REQUIRE(office.setup->ledger().replace(quota::Table::override_, "user:alice@example.com mailbox", std::nullopt, "plenty").has_value());
  office.keeper.wake();
  const auto listed = [&] { return done(office.desk.limits()).at("limits").as_array(); };
  REQUIRE(quota::eventually([&] { return listed().size() == 1; }));
  const auto entry = listed().front().as_object();
  CHECK(entry.at("quota") == "mailbox");
  CHECK(entry.at("limit").is_null());
  CHECK(std::string_view(entry.at("error").as_string()).ends_with(" (plenty)"));
  CHECK(done(office.desk.status()).at("live_limits") == 0);
}

TEST_CASE("an order that cannot be understood says so and does nothing") {
  Office office;
  struct Row {
    Desk::Answer answer;
    Kind want;
  } const rows[] = {
      {office.desk.show("nobody:here"), Kind::bad_request},
      {office.desk.block({"nobody", {}, "", root}), Kind::bad_request},
      {office.desk.block({"user:alice", "tomorrow", "", root}), Kind::bad_request},
      {office.desk.release({"", "", root}), Kind::bad_request},
      {office.desk.limit({"user:alice", "mailbox", "plenty", {}, root}), Kind::bad_request},
      {office.desk.limit({"user:alice", "mailbox", "none", "soon", root}), Kind::bad_request},
      {office.desk.limit({"user:alice", "mail", "none", {}, root}), Kind::not_found},
      {office.desk.remove_limit({"user:alice", "mail", root}), Kind::not_found},
      {office.desk.set_mode({"off", {}, root}), Kind::bad_request},
      {office.desk.set_mode({"observe", "0", root}), Kind::bad_request},
  };
  for (const auto& row : rows) {
    const auto problem = refused(row.answer);
    CAPTURE(problem.what);
    CHECK(problem.kind == row.want);
    CHECK_FALSE(problem.what.empty());
  }
  CHECK(refused(rows[6].answer).hint == "quotas are: mailbox, hosts; or * for all");
  CHECK(office.forgotten == 0);
  CHECK(office.events().empty());
}

TEST_CASE("a reload answers with what is loaded, or with every problem") {
  Office office;
  CHECK(keys(done(office.desk.reload(root))) == std::set<std::string>{"file", "loaded", "quotas", "warnings"});
  office.reload_problems = {"test.toml:1: one", "test.toml:2: two"};
  const auto problem = refused(office.desk.reload(root));
  CHECK(problem.kind == Kind::invalid_config);
  CHECK(problem.problems == *office.reload_problems);
}
