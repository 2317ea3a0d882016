#include "milter/cli/queue_run.hpp"

#include <doctest/doctest.h>

#include "tests/milter/cli/queue_rig.hpp"

using namespace milter::cli;
using namespace std::chrono_literals;
using quota::Fate;
using quota::OrderReport;
using quota::QueueAct;
using test::judged;

namespace {

const std::string alice = "user:alice@example.com";
const std::string held_shelf = "held " + alice;
const std::string sent_shelf = "sent " + alice;
using Ids = std::vector<std::string>;
using IdSet = std::set<std::string>;

struct Host {
  test::MemoryQueue queue{};
  test::MemoryRecord record{};
  std::vector<std::int64_t> progress{};
  std::vector<GoOn> answers{};  ///< to come; then yes

  /// Both in the queue and in the record.
  void put(Fate fate, const std::string& id) {
    queue.put(id, fate == Fate::held);
    if (fate == Fate::held)
      record.put(held_shelf, id, 0s, alice, alice);
    else
      record.put(sent_shelf, id);
  }
  quota::Result<QueueOutcome, std::string> run(QueueTask task) {
    task.identity = alice;
    task.host = "mx1";
    return QueueRun(std::move(task), {record, queue, [] { return judged + test::settled; }, [this](const OrderReport& report) {
              progress.push_back(report.done);
              if (answers.empty()) return GoOn::yes;
              const auto answer = answers.front();
              answers.erase(answers.begin());
              return answer;
            }}).run();
  }
  OrderReport done(QueueTask task) {
    const auto outcome = run(std::move(task));
    REQUIRE_MESSAGE(outcome.has_value(), (outcome ? "" : outcome.error()));
    return outcome->report;
  }
};

QueueTask task_of(Fate fate, QueueAct act) { return {.fate = fate, .act = act, .at_once = true}; }

/// Total, done, gone, skipped, notices.
std::vector<std::int64_t> counts(const OrderReport& report) { return {report.total, report.done, report.gone, report.skipped, report.bounces}; }

}  // namespace

TEST_CASE("held mail is removed: what is recorded, is there, and is the same; all else stays") {
  Host host;
  for (const auto* const id : {"A000001", "A000002", "A000003", "A000004"}) host.put(Fate::held, id);
  host.queue.put("A000002", true, "bob@example.com");  // the id is another message's by now
  host.queue.files.erase("A000003");
  host.queue.put("A000004", false);                    // somebody let it go
  host.queue.put("B000001", true, "bob@example.com");
  const auto report = host.done(task_of(Fate::held, QueueAct::remove));
  CHECK(counts(report) == std::vector<std::int64_t>{4, 1, 2, 1, 0});
  CHECK(report.state == OrderReport::State::done);
  CHECK(report.skips == Ids{"A000002: its sender is <bob@example.com>, and of the recorded one <alice@example.com>"});
  CHECK(host.queue.removed == Ids{"A000001"});
  CHECK(host.queue.held() == IdSet{"A000002", "B000001"});
  CHECK(host.record.left(held_shelf) == 1);  // what was skipped is found again
  CHECK(host.record.held_for == std::map<std::string, std::int64_t>{{alice, 3}});
}

TEST_CASE("a dry run says what would be done, and does nothing") {
  for (const auto act : {QueueAct::remove, QueueAct::send}) {
    Host host;
    for (const auto* const id : {"A000001", "A000002", "A000003"}) host.put(Fate::held, id);
    host.queue.files.erase("A000003");
    host.queue.put("N000001", false, "");
    host.queue.about = {{"N000001", "A000001", "alice@example.com", judged}};
    auto task = task_of(Fate::held, act);
    task.is_dry = task.with_bounces = true;
    task.at_once = false;
    CHECK(counts(host.done(task)) == std::vector<std::int64_t>{3, 2, 1, 0, 1});
    CHECK(host.queue.files.size() == 3);
    CHECK(host.queue.held() == IdSet{"A000001", "A000002"});
    CHECK(host.record.left(held_shelf) == 3);
    CHECK(host.record.asked_grants.empty());
  }
}

TEST_CASE("what is on its way is kept back before it is removed, and looked at again: a stranger goes on") {
  Host host;
  for (const auto* const id : {"A000001", "A000002", "A000003"}) host.put(Fate::sent, id);
  host.queue.before_hold = [&] {
    host.queue.put("A000002", false, "bob@example.com");  // delivered, and its id given anew
    host.queue.files.erase("A000003");                    // delivered
  };
  CHECK(counts(host.done(task_of(Fate::sent, QueueAct::remove))) == std::vector<std::int64_t>{3, 1, 1, 1, 0});
  CHECK(host.queue.removed == Ids{"A000001"});
  CHECK(host.queue.sent == Ids{"A000002"});
  CHECK(host.queue.held().empty());
}

TEST_CASE("what is to be kept back stays in the record, and may be removed later") {
  Host host;
  for (const auto* const id : {"A000001", "A000002"}) host.put(Fate::sent, id);
  CHECK(counts(host.done(task_of(Fate::sent, QueueAct::hold))) == std::vector<std::int64_t>{2, 2, 0, 0, 0});
  CHECK(host.queue.held() == IdSet{"A000001", "A000002"});
  CHECK(host.record.left(sent_shelf) == 2);
  CHECK(counts(host.done(task_of(Fate::sent, QueueAct::remove))) == std::vector<std::int64_t>{2, 2, 0, 0, 0});
  CHECK(host.queue.files.empty());
  CHECK(host.record.left(sent_shelf) == 0);
}

TEST_CASE("held mail goes at the sender's own rate, the oldest first, and the rest when it is run again") {
  Host host;
  for (const auto* const id : {"A000001", "A000002", "A000003"}) host.put(Fate::held, id);
  host.record.grants = {2, 0};
  QueueTask paced{.fate = Fate::held, .act = QueueAct::send};
  auto outcome = host.run(paced);
  REQUIRE(outcome.has_value());
  CHECK(outcome->report.state == OrderReport::State::running);
  CHECK(outcome->retry == 250ms);
  CHECK(host.queue.sent == Ids{"A000001", "A000002"});
  CHECK(host.run(paced)->report.state == OrderReport::State::running);
  CHECK(host.queue.sent == Ids{"A000001", "A000002"});
  CHECK(host.done(paced).state == OrderReport::State::done);
  CHECK(host.queue.sent == Ids{"A000001", "A000002", "A000003"});
  CHECK(host.record.asked_grants == std::vector<std::size_t>{3, 1, 1});
}

TEST_CASE("sent at once, no quota is asked") {
  Host host;
  for (const auto* const id : {"A000001", "A000002"}) host.put(Fate::held, id);
  CHECK(host.done(task_of(Fate::held, QueueAct::send)).done == 2);
  CHECK(host.record.asked_grants.empty());
}

TEST_CASE("only what is granted is charged: mail that is not there, or another's, is asked no quota for") {
  Host host;
  for (const auto* const id : {"A000001", "A000002", "A000003"}) host.put(Fate::held, id);
  host.queue.files.erase("A000001");
  host.queue.put("A000002", true, "bob@example.com");
  CHECK(host.done({.fate = Fate::held, .act = QueueAct::send}).done == 1);
  CHECK(host.record.asked_grants == std::vector<std::size_t>{1});
}

TEST_CASE("page by page, and after an error it goes on where it was") {
  Host host;
  for (const auto* const id : {"A000001", "A000002", "A000003", "A000004", "A000005"}) host.put(Fate::held, id);
  host.record.page_size = 2;
  host.queue.error = "postsuper: fatal: no space left";
  const auto failed = host.run(task_of(Fate::held, QueueAct::remove));
  REQUIRE(!failed.has_value());
  CHECK(failed.error() == "postsuper: fatal: no space left");
  CHECK(host.record.left(held_shelf) == 5);
  CHECK(host.done(task_of(Fate::held, QueueAct::remove)).done == 5);
  CHECK(host.progress == std::vector<std::int64_t>{0, 0, 2, 4});  // asked before each page, of both runs
  CHECK(host.record.left(held_shelf) == 0);
}

TEST_CASE("what the mail server keeps for itself stays in the record, and is no message that has left") {
  for (const auto act : {QueueAct::remove, QueueAct::send}) {
    Host host;
    for (const auto* const id : {"A000001", "A000002"}) host.put(Fate::held, id);
    host.queue.stuck = {"A000001"};
    CHECK(counts(host.done(task_of(Fate::held, act))) == std::vector<std::int64_t>{2, 1, 0, 1, 0});
    CHECK(host.record.left(held_shelf) == 1);
    host.queue.stuck.clear();
    CHECK(counts(host.done(task_of(Fate::held, act))) == std::vector<std::int64_t>{1, 1, 0, 0, 0});
  }
}

TEST_CASE("mail that was judged after the order was given is not meant") {
  Host host;
  host.put(Fate::held, "A000001");
  host.queue.put("A000002", true, "alice@example.com", 60s);
  host.record.put(held_shelf, "A000002", 60s, alice, alice);
  auto task = task_of(Fate::held, QueueAct::remove);
  task.until = judged + 999ms;
  CHECK(host.done(task).done == 1);
  CHECK(host.queue.held() == IdSet{"A000002"});
}

TEST_CASE("notices about that mail go too, each counted once; those about another message stay") {
  Host host;
  for (const auto* const id : {"A000001", "A000002"}) host.put(Fate::sent, id);
  host.queue.files.erase("A000001");
  host.queue.files.erase("A000002");
  for (const auto* const id : {"N000001", "N000002", "N000003"}) host.queue.put(id, false, "");
  host.queue.about = {{"N000001", "A000001", "alice@example.com", judged}, {"N000002", "A000002", "bob@example.com", judged}, {"N000003", "Z000009", "alice@example.com", judged}};
  SUBCASE("removed") {
    auto task = task_of(Fate::sent, QueueAct::remove);
    task.with_bounces = true;
    const auto report = host.done(task);
    CHECK(counts(report) == std::vector<std::int64_t>{2, 0, 2, 1, 1});
    CHECK(report.skips.at(0).starts_with("A000002: the notice N000002 is about another message: "));
    CHECK(host.queue.removed == Ids{"N000001"});
  }
  SUBCASE("kept back") {
    auto task = task_of(Fate::sent, QueueAct::hold);
    task.with_bounces = true;
    CHECK(counts(host.done(task)) == std::vector<std::int64_t>{2, 0, 2, 1, 1});
    CHECK(host.queue.held() == IdSet{"N000001"});
  }
  SUBCASE("not asked for") {
    CHECK(host.done(task_of(Fate::sent, QueueAct::remove)).bounces == 0);
    CHECK(host.queue.files.size() == 3);
  }
}

TEST_CASE("held mail is taken out of the record of whom it was held for as well, and no other mail of theirs") {
  const std::string acme = "account:acme";
  Host host;
  for (const auto* const id : {"A000001", "A000002"}) {
    host.queue.put(id, true);
    host.record.put(held_shelf, id, 0s, acme, alice);
    host.record.put("held " + acme, id, 0s, acme, alice);
  }
  host.record.put("held " + acme, "B000001", 0s, acme, "user:bob@example.com");
  host.record.put("held " + acme, "A000001", 10s, acme, "user:bob@example.com");  // the id of a later message
  host.record.page_size = 1;
  CHECK(host.done(task_of(Fate::held, QueueAct::remove)).done == 2);
  CHECK(host.record.left(held_shelf) == 0);
  CHECK(host.record.left("held " + acme) == 2);
  CHECK(host.record.held_for == std::map<std::string, std::int64_t>{{acme, 2}});
}

TEST_CASE("an order that is not wanted any longer when its turn comes is not begun, and one that is replaced meanwhile ends after its page") {
  for (const auto& [answers, done, state] : {std::tuple(std::vector{GoOn::no}, 0, OrderReport::State::failed), {{GoOn::yes, GoOn::no}, 2, OrderReport::State::failed},
                                             {{GoOn::later}, 0, OrderReport::State::running}, {{GoOn::yes, GoOn::yes, GoOn::later}, 4, OrderReport::State::running}}) {
    Host host;
    for (const auto* const id : {"A000001", "A000002", "A000003", "A000004", "A000005"}) host.put(Fate::held, id);
    host.record.page_size = 2;
    host.answers = answers;
    const auto report = host.done(task_of(Fate::held, QueueAct::remove));
    CHECK(report.done == done);
    CHECK(report.state == state);
    CHECK(host.queue.files.size() == static_cast<std::size_t>(5 - done));
  }
}

TEST_CASE("what the mail server works on just now cannot be kept back, and is looked at again") {
  Host host;
  for (const auto* const id : {"A000001", "A000002"}) host.put(Fate::sent, id);
  host.queue.worked_on = {"A000001"};
  const auto outcome = host.run(task_of(Fate::sent, QueueAct::remove));
  REQUIRE(outcome.has_value());
  CHECK(outcome->report.state == OrderReport::State::running);
  CHECK(outcome->retry == 5s);
  CHECK(host.queue.removed == Ids{"A000002"});
  host.queue.worked_on.clear();
  CHECK(host.done(task_of(Fate::sent, QueueAct::remove)).done == 1);
  CHECK(host.queue.files.empty());
}

TEST_CASE("what is told of twice is one message, and is taken out of the record with it") {
  Host host;
  for (const auto* const id : {"A000001", "A000002"}) host.put(Fate::sent, id);
  host.record.shelves[sent_shelf][0].at("place") = "";  // among the last messages: it has no place
  host.record.put(sent_shelf, "A000001");               // and was pushed out of these meanwhile
  host.record.put(sent_shelf, "A000001", 2h);           // another message that had its id
  for (const auto act : {QueueAct::hold, QueueAct::remove}) {
    const auto report = host.done(task_of(Fate::sent, act));
    CHECK(report.done == 2);
    CHECK(report.gone == 0);
  }
  CHECK(host.record.left(sent_shelf) == 2);  // the one without a place, and the other message, which was skipped
}

TEST_CASE("held mail that was sent is recorded as mail that was let through, and what was removed is not") {
  for (const auto act : {QueueAct::send, QueueAct::remove}) {
    Host host;
    host.put(Fate::held, "A000001");
    host.done(task_of(Fate::held, act));
    CHECK(host.record.let_go == (act == QueueAct::send ? std::vector<std::string>{"1-0"} : std::vector<std::string>{}));
  }
}

TEST_CASE("the mail of who is blocked does not go at his own rate, and goes at once") {
  Host host;
  host.put(Fate::held, "A000001");
  host.record.blocked = alice;
  const auto outcome = host.run({.fate = Fate::held, .act = QueueAct::send});
  REQUIRE(!outcome.has_value());
  CHECK(outcome.error() == "user:alice@example.com is blocked: its mail is sent after a release, or at once where that is said");
  CHECK(host.queue.sent.empty());
  CHECK(host.done(task_of(Fate::held, QueueAct::send)).done == 1);
}

TEST_CASE("what was done before an error is told, and stands on no shelf") {
  const std::string acme = "account:acme";
  Host host;
  for (const auto* const id : {"A000001", "A000002"}) {
    host.queue.put(id, true);
    host.record.put(held_shelf, id, 0s, acme, alice);
    host.record.put("held " + acme, id, 0s, acme, alice);
  }
  host.record.page_size = 1;
  QueueTask task = task_of(Fate::held, QueueAct::remove);
  task.identity = alice;
  task.host = "mx1";
  QueueRun run(task, {host.record, host.queue, [] { return judged + test::settled; }, [&](const OrderReport& report) {
                        if (report.done == 1) host.queue.error = "postsuper: fatal: no space left";
                        return GoOn::yes;
                      }});
  REQUIRE(!run.run().has_value());
  CHECK(run.so_far().done == 1);
  CHECK(host.record.left("held " + acme) == 1);
}

TEST_CASE("a row with no queue id of a mail server is left alone") {
  Host host;
  host.put(Fate::held, "A000001");
  for (const auto* const wrong : {"ALL", "A1", "../../etc/passwd", "-d ALL"}) host.record.put(held_shelf, wrong, 0s, alice, alice);
  CHECK(host.done(task_of(Fate::held, QueueAct::remove)).done == 1);
}

TEST_CASE("of what is skipped the first hundred are listed, and all are counted") {
  Host host;
  for (int i = 0; i < 150; ++i) {
    host.put(Fate::held, "A" + std::to_string(100'000 + i));
    host.queue.put("A" + std::to_string(100'000 + i), true, "bob@example.com");
  }
  const auto report = host.done(task_of(Fate::held, QueueAct::remove));
  CHECK(report.skipped == 150);
  CHECK(report.skips.size() == 100);
}
