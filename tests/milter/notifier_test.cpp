#include "milter/notifier.hpp"

#include <doctest/doctest.h>

#include "milter/run_program.hpp"
#include "tests/support/scripted_ledger.hpp"
#include "tests/support/temporary_folder.hpp"

using namespace milter;
using namespace std::chrono_literals;
using quota::eventually;
using quota::ScriptedLedger;

namespace {

constexpr quota::Timestamp noon{1'763'812'800'000ms};

const std::atomic<bool> never{false};

quota::Event blocked(const std::string& who) { return {"blocked", "warning", "user:" + who, "blocked until released", "sendquotad", "mx1"}; }

/// A daemon's notifier whose program writes down what it is told.
struct Pager {
  explicit Pager(quota::SharedLedger& shared, quota::Milliseconds degraded_after = 1h, quota::Milliseconds hold_after = 0ms) : door(shared) {
    tools.hold_after = hold_after;
    settings.notify.command = "/usr/bin/page  the admins";
    tools.degraded_after = degraded_after;
    notifier.emplace(tools);
  }
  [[nodiscard]] std::vector<boost::json::object> told() {
    const std::lock_guard lock(mutex);
    return messages;
  }
  void wait_for(std::size_t count) { REQUIRE(eventually([&] { return told().size() == count; })); }

  ScriptedLedger door;
  Counters counters;
  Config settings;
  boost::json::object sender;
  std::atomic<int> looked_up{0};
  std::mutex mutex;
  std::vector<boost::json::object> messages;
  std::vector<std::string> words;
  int failures = 0;
  NotifierTools tools{.ledger = door,
                      .counters = counters,
                      .config = [this] { return std::make_shared<const Config>(settings); },
                      .look_up = [this](const std::string&) { return ++looked_up, sender; },
                      .host = "mx1",
                      .run = [this](const auto& program, const auto& input, const std::atomic<bool>&) -> quota::Result<void, std::string> {
                        const std::lock_guard lock(mutex);
                        if (failures > 0 && failures-- > 0) return {boost::system::in_place_error, "the relay is away"};
                        words = program;
                        messages.push_back(boost::json::parse(input).as_object());
                        return {};
                      },
                      .settles_within = 0ms,
                      .hold_after = 0ms,
                      .retry_after = 1ms};
  std::optional<Notifier> notifier;
};

}  // namespace

TEST_CASE("an incident is told with the evidence and the commands that end it") {
  quota::SharedLedger shared;
  Pager pager(shared);
  pager.sender = boost::json::parse(R"({"limits": [{"quota": "mailbox", "used": 3}], "blocked": {"reason": "x"}, "held": [{"host": "mx1", "count": 2}],
    "history": {"last_hours": [{"sent": 0}, {"sent": 3}], "networks": [{"network": "192.0.2.0/24"}, {"network": "198.51.100.0/24"}], "scripts": ["mx1/1000:mail.php"],
                "messages": [{"queue_id": "4Xy1", "first_recipients": ["a@one.test", "b@two.test"]}, {"queue_id": null, "first_recipients": ["c@one.test"]}]}})").as_object();
  pager.notifier->happened(blocked("it's@example.com"), noon);
  pager.wait_for(1);
  CHECK(pager.words == std::vector<std::string>{"/usr/bin/page", "the", "admins"});
  const auto message = pager.told()[0];
  CHECK(message == boost::json::parse(R"({"event": "blocked", "severity": "warning", "at": "2025-11-22T12:00:00Z", "identity": "user:it's@example.com",
    "text": "blocked until released", "by": "sendquotad", "host": "mx1", "left_out": 0, "limits": [{"quota": "mailbox", "used": 3}], "blocked": {"reason": "x"},
    "networks": ["192.0.2.0/24", "198.51.100.0/24"], "scripts": ["mx1/1000:mail.php"], "queue_ids": ["4Xy1"], "recipient_domains": ["one.test", "two.test"],
    "commands": ["sendquota incident 'user:it'\\''s@example.com'", "sendquota release 'user:it'\\''s@example.com'",
    "sendquota queue --of 'user:it'\\''s@example.com' --delete --with-bounces --all-hosts", "sendquota held 'user:it'\\''s@example.com' --delete --all-hosts"]})"));
  pager.settings.notify.addresses = true;
  pager.notifier->happened(blocked("bob"), noon);
  pager.wait_for(2);
  CHECK(pager.told()[1].at("recipients") == boost::json::parse(R"(["a@one.test", "b@two.test", "c@one.test"])"));
}

TEST_CASE("that mail is held of who is blocked by then is no incident of its own") {
  for (const auto& [is_blocked, on, is_told] : {std::tuple(true, std::vector<std::string>{"blocked", "first_hold"}, false), {false, {"blocked", "first_hold"}, true}, {true, {"first_hold"}, true}}) {
    quota::SharedLedger shared;
    Pager pager(shared);
    pager.settings.notify.on = on;
    pager.settings.notify.on.push_back("released");
    if (is_blocked) pager.sender = {{"blocked", boost::json::object{{"reason", "x"}}}};
    pager.notifier->happened({"first_hold", "warning", "user:alice", "mail is held", "sendquotad", "mx1"}, noon);
    REQUIRE(eventually([&] { return pager.looked_up > 0; }));
    pager.notifier->happened({"released", "info", "user:bob", "", "sendquotad", "mx1"}, noon);  // told when what came before is over
    pager.wait_for(is_told ? 2 : 1);
    CHECK(pager.told()[0].at("event") == (is_told ? "first_hold" : "released"));
  }
}

TEST_CASE("that mail is held is told after a while, and a block at once") {
  quota::SharedLedger shared;
  Pager pager(shared, 1h, 1h);
  pager.notifier->happened({"first_hold", "warning", "user:alice", "mail is held", "sendquotad", "mx1"}, noon);
  pager.notifier->happened(blocked("alice"), noon);
  pager.wait_for(1);
  CHECK(pager.told()[0].at("event") == "blocked");
}

TEST_CASE("only what notify.on names is told, and nothing without a program") {
  quota::SharedLedger shared;
  Pager pager(shared);
  auto other = blocked("alice");
  other.what = "released";
  pager.notifier->happened(other, noon);
  pager.settings.notify.command = "";
  pager.notifier->happened(blocked("alice"), noon);
  pager.settings.notify.command = "/usr/bin/page";
  pager.notifier->happened(blocked("bob"), noon);
  pager.wait_for(1);
  CHECK(pager.told()[0].at("identity") == "user:bob");
}

TEST_CASE("of one cause and sender one is told in an hour, by one daemon") {
  quota::SharedLedger shared;
  Pager one(shared), other(shared);
  for (int i = 0; i < 5; ++i) one.notifier->happened(blocked("alice"), noon);
  one.notifier->happened(blocked("bob"), noon);
  one.wait_for(2);
  other.notifier->happened(blocked("alice"), noon);
  other.notifier->happened(blocked("carol"), noon);
  other.wait_for(1);
  CHECK(one.told()[1].at("identity") == "user:bob");
  CHECK(other.told()[0].at("identity") == "user:carol");
  shared.age_claims(1h);
  other.notifier->happened(blocked("alice"), noon);
  other.wait_for(2);
  CHECK(other.told()[1].at("left_out") == 5);  // of both
}

TEST_CASE("of several messages about nobody each is told that says something else") {
  quota::SharedLedger shared;
  Pager pager(shared);
  pager.settings.notify.on = {"redis_evicts"};
  for (const auto* const text : {"redis one evicts", "redis two evicts", "redis one evicts"}) pager.notifier->happened({"redis_evicts", "error", "", text, "", "mx1"}, noon);
  pager.notifier->happened({"redis_evicts", "error", "", "redis three evicts", "", "mx1"}, noon);
  pager.wait_for(3);
  CHECK(pager.told()[2].at("text") == "redis three evicts");
}

TEST_CASE("what failed is tried again, and given up in the end") {
  quota::SharedLedger shared;
  Pager pager(shared);
  pager.failures = 4;
  pager.notifier->happened(blocked("alice"), noon);
  pager.wait_for(1);
  CHECK(pager.counters.notifications == 1);
  CHECK(pager.counters.notifications_failed == 4);
  pager.failures = 5;
  pager.notifier->happened(blocked("bob"), noon);
  REQUIRE(eventually([&] { return pager.counters.notifications_failed == 9; }));
  pager.notifier->happened(blocked("carol"), noon);
  pager.wait_for(2);
  CHECK(pager.told()[1].at("identity") == "user:carol");
}

TEST_CASE("that the store answers again is told where its absence was an incident, each time") {
  quota::SharedLedger shared;
  Pager pager(shared, 1ms);
  pager.settings.notify.on = {"degraded", "recovered", "blocked"};
  const quota::Event recovered{"recovered", "warning", "", "the store answers again", "", "mx1"};
  pager.notifier->happened(recovered, noon);  // of an outage that was over at once
  pager.notifier->note_health("away", noon);
  pager.wait_for(1);
  CHECK(pager.told()[0].at("event") == "degraded");
  pager.notifier->note_health("", noon);
  pager.notifier->happened(recovered, noon);
  pager.wait_for(2);
  CHECK(pager.told()[1].at("event") == "recovered");
  pager.notifier->happened(recovered, noon);
  pager.notifier->happened(blocked("alice"), noon);
  pager.wait_for(3);
  CHECK(pager.told()[2].at("event") == "blocked");
}

TEST_CASE("a store without an answer is told after a while, once, and not where it only falters") {
  quota::SharedLedger shared;
  Pager calm(shared);
  calm.notifier->note_health("away", noon);
  calm.notifier->happened(blocked("alice"), noon);
  calm.wait_for(1);
  CHECK(calm.told()[0].at("event") == "blocked");

  Pager pager(shared, 1ms);
  pager.notifier->note_health("away", noon);
  pager.notifier->note_health("still away", noon + 1s);
  pager.wait_for(1);
  CHECK(pager.told()[0].at("text") == "the store has no answer since 2025-11-22T12:00:00Z: away");
  CHECK(pager.told()[0].at("identity").is_null());
  pager.notifier->happened({"degraded", "error", "", "from the stream, later", "", "mx1"}, noon);
  pager.notifier->happened(blocked("dora"), noon);
  pager.wait_for(2);
  CHECK(pager.told()[1].at("event") == "blocked");
}

TEST_CASE("a program reads its text, and has neither our environment nor our descriptors") {
  const test::TemporaryFolder folder;
  const auto file = (folder.path() / "out").native();
  const auto script = "cat > " + file + "; env | sort >> " + file + "; ls /proc/self/fd | wc -l >> " + file;
  REQUIRE(run_program({"/bin/sh", "-c", script}, "an incident\n", 10s, never).has_value());
  CHECK(test::bytes_of(file) == "an incident\nLANG=C.UTF-8\nPATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\nPWD=" + std::filesystem::current_path().native() + "\n4\n");
}

TEST_CASE("what goes wrong with a program is said in one sentence") {
  const struct {
    std::vector<std::string> words;
    std::string want;
  } rows[] = {
      {{"/no/such/program"}, "/no/such/program: No such file or directory"},
      {{"/bin/sh", "-c", "exit 3"}, "/bin/sh: ended with 3"},
      {{"/bin/sh", "-c", "echo no relay >&2; echo more >&2; exit 1"}, "/bin/sh: ended with 1; it said: no relay"},
      {{"/bin/sh", "-c", "kill -9 $$"}, "/bin/sh: was ended by signal 9"},
      {{"/bin/sh", "-c", "sleep 60 & wait"}, "/bin/sh: did not end within 1 s, and was killed"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.want);
    const auto done = run_program(row.words, "", 300ms, never);
    REQUIRE_FALSE(done.has_value());
    CHECK(done.error() == row.want);
  }
  CHECK(run_program({"/bin/sh", "-c", "head -c 10000000 /dev/zero >&2"}, "", 10s, never).has_value());  // however much it says
  CHECK(run_program({"/bin/true"}, std::string(1'000'000, 'x'), 10s, never).has_value());  // it need not read
}

TEST_CASE("a program that hangs does not keep the daemon from stopping") {
  const std::atomic<bool> at_once{true};
  CHECK(run_program({"/bin/sleep", "60"}, "", 60s, at_once).error() == "/bin/sleep: was killed, because the daemon stops");
}

TEST_CASE("what a program writes comes in pieces, both outputs to their ends, however much it is") {
  std::size_t output = 0;
  std::string errors;
  const Program program{.words = {"/bin/sh", "-c", "head -c 3000000 /dev/zero; cat >&2; env | sort >&2; exit 7"},
                        .input = "x\ny\n",
                        .at_most = 10s,
                        .environment = {"A=b"},
                        .output = [&](std::string_view piece) { output += piece.size(); },
                        .errors = [&](std::string_view piece) { errors += piece; }};
  const auto ended = run(program, never);
  REQUIRE(ended.has_value());
  CHECK(ended->code == 7);
  CHECK(ended->said == "x");
  CHECK(output == 3'000'000);
  CHECK(errors == "x\ny\nA=b\nPWD=" + std::filesystem::current_path().native() + "\n");
}
