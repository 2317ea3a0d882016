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
              return GoOn::yes;
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
  for (const auto* const id : {"A1", "A2", "A3", "A4"}) host.put(Fate::held, id);
  host.queue.put("A2", true, "bob@example.com");  // the id is another message's by now
  host.queue.files.erase("A3");
  host.queue.put("A4", false);                    // somebody let it go
  host.queue.put("B1", true, "bob@example.com");
  const auto report = host.done(task_of(Fate::held, QueueAct::remove));
  CHECK(counts(report) == std::vector<std::int64_t>{4, 1, 2, 1, 0});
  CHECK(report.state == OrderReport::State::done);
  CHECK(report.skips == Ids{"A2: its sender is <bob@example.com>, and of the recorded one <alice@example.com>"});
  CHECK(host.queue.removed == Ids{"A1"});
  CHECK(host.queue.held() == IdSet{"A2", "B1"});
  CHECK(host.record.left(held_shelf) == 1);  // what was skipped is found again
  CHECK(host.record.held_for == std::map<std::string, std::int64_t>{{alice, 3}});
}

TEST_CASE("a dry run says what would be done, and does nothing") {
  for (const auto act : {QueueAct::remove, QueueAct::send}) {
    Host host;
    for (const auto* const id : {"A1", "A2", "A3"}) host.put(Fate::held, id);
    host.queue.files.erase("A3");
    host.queue.put("N1", false, "");
    host.queue.about = {{"N1", "A1", "alice@example.com", judged}};
    auto task = task_of(Fate::held, act);
    task.is_dry = task.with_bounces = true;
    task.at_once = false;
    CHECK(counts(host.done(task)) == std::vector<std::int64_t>{3, 2, 1, 0, 1});
    CHECK(host.queue.files.size() == 3);
    CHECK(host.queue.held() == IdSet{"A1", "A2"});
    CHECK(host.record.left(held_shelf) == 3);
    CHECK(host.record.asked_grants.empty());
  }
}

TEST_CASE("what is on its way is kept back before it is removed, and looked at again: a stranger goes on") {
  Host host;
  for (const auto* const id : {"A1", "A2", "A3"}) host.put(Fate::sent, id);
  host.queue.before_hold = [&] {
    host.queue.put("A2", false, "bob@example.com");  // delivered, and its id given anew
    host.queue.files.erase("A3");                    // delivered
  };
  CHECK(counts(host.done(task_of(Fate::sent, QueueAct::remove))) == std::vector<std::int64_t>{3, 1, 1, 1, 0});
  CHECK(host.queue.removed == Ids{"A1"});
  CHECK(host.queue.sent == Ids{"A2"});
  CHECK(host.queue.held().empty());
}

TEST_CASE("what is to be kept back stays in the record, and may be removed later") {
  Host host;
  for (const auto* const id : {"A1", "A2"}) host.put(Fate::sent, id);
  CHECK(counts(host.done(task_of(Fate::sent, QueueAct::hold))) == std::vector<std::int64_t>{2, 2, 0, 0, 0});
  CHECK(host.queue.held() == IdSet{"A1", "A2"});
  CHECK(host.record.left(sent_shelf) == 2);
  CHECK(counts(host.done(task_of(Fate::sent, QueueAct::remove))) == std::vector<std::int64_t>{2, 2, 0, 0, 0});
  CHECK(host.queue.files.empty());
  CHECK(host.record.left(sent_shelf) == 0);
}

TEST_CASE("held mail goes at the sender's own rate, the oldest first, and the rest when it is run again") {
  Host host;
  for (const auto* const id : {"A1", "A2", "A3"}) host.put(Fate::held, id);
  host.record.grants = {2, 0};
  QueueTask paced{.fate = Fate::held, .act = QueueAct::send};
  auto outcome = host.run(paced);
  REQUIRE(outcome.has_value());
  CHECK(outcome->report.state == OrderReport::State::running);
  CHECK(outcome->retry == 250ms);
  CHECK(host.queue.sent == Ids{"A1", "A2"});
  CHECK(host.run(paced)->report.state == OrderReport::State::running);
  CHECK(host.queue.sent == Ids{"A1", "A2"});
  CHECK(host.done(paced).state == OrderReport::State::done);
  CHECK(host.queue.sent == Ids{"A1", "A2", "A3"});
  CHECK(host.record.asked_grants == std::vector<std::size_t>{3, 1, 1});
}

TEST_CASE("sent at once, no quota is asked") {
  Host host;
  for (const auto* const id : {"A1", "A2"}) host.put(Fate::held, id);
  CHECK(host.done(task_of(Fate::held, QueueAct::send)).done == 2);
  CHECK(host.record.asked_grants.empty());
}

TEST_CASE("only what is granted is charged: mail that is not there, or another's, is asked no quota for") {
  Host host;
  for (const auto* const id : {"A1", "A2", "A3"}) host.put(Fate::held, id);
  host.queue.files.erase("A1");
  host.queue.put("A2", true, "bob@example.com");
  CHECK(host.done({.fate = Fate::held, .act = QueueAct::send}).done == 1);
  CHECK(host.record.asked_grants == std::vector<std::size_t>{1});
}

TEST_CASE("page by page, and after an error it goes on where it was") {
  Host host;
  for (const auto* const id : {"A1", "A2", "A3", "A4", "A5"}) host.put(Fate::held, id);
  host.record.page_size = 2;
  host.queue.error = "postsuper: fatal: no space left";
  const auto failed = host.run(task_of(Fate::held, QueueAct::remove));
  REQUIRE(!failed.has_value());
  CHECK(failed.error() == "postsuper: fatal: no space left");
  CHECK(host.record.left(held_shelf) == 5);
  CHECK(host.done(task_of(Fate::held, QueueAct::remove)).done == 5);
  CHECK(host.progress == std::vector<std::int64_t>{2, 4, 5});
  CHECK(host.record.left(held_shelf) == 0);
}

TEST_CASE("what the mail server keeps for itself stays in the record, and is no message that has left") {
  for (const auto act : {QueueAct::remove, QueueAct::send}) {
    Host host;
    for (const auto* const id : {"A1", "A2"}) host.put(Fate::held, id);
    host.queue.stuck = {"A1"};
    CHECK(counts(host.done(task_of(Fate::held, act))) == std::vector<std::int64_t>{2, 1, 0, 1, 0});
    CHECK(host.record.left(held_shelf) == 1);
    host.queue.stuck.clear();
    CHECK(counts(host.done(task_of(Fate::held, act))) == std::vector<std::int64_t>{1, 1, 0, 0, 0});
  }
}

TEST_CASE("mail that was judged after the order was given is not meant") {
  Host host;
  host.put(Fate::held, "A1");
  host.queue.put("A2", true, "alice@example.com", 60s);
  host.record.put(held_shelf, "A2", 60s, alice, alice);
  auto task = task_of(Fate::held, QueueAct::remove);
  task.until = judged + 999ms;
  CHECK(host.done(task).done == 1);
  CHECK(host.queue.held() == IdSet{"A2"});
}

TEST_CASE("notices about that mail go too, each counted once; those about another message stay") {
  Host host;
  for (const auto* const id : {"A1", "A2"}) host.put(Fate::sent, id);
  host.queue.files.erase("A1");
  host.queue.files.erase("A2");
  for (const auto* const id : {"N1", "N2", "N3"}) host.queue.put(id, false, "");
  host.queue.about = {{"N1", "A1", "alice@example.com", judged}, {"N2", "A2", "bob@example.com", judged}, {"N3", "Z9", "alice@example.com", judged}};
  SUBCASE("removed") {
    auto task = task_of(Fate::sent, QueueAct::remove);
    task.with_bounces = true;
    const auto report = host.done(task);
    CHECK(counts(report) == std::vector<std::int64_t>{2, 0, 2, 1, 1});
    CHECK(report.skips.at(0).starts_with("A2: the notice N2 is about another message: "));
    CHECK(host.queue.removed == Ids{"N1"});
  }
  SUBCASE("kept back") {
    auto task = task_of(Fate::sent, QueueAct::hold);
    task.with_bounces = true;
    CHECK(counts(host.done(task)) == std::vector<std::int64_t>{2, 0, 2, 1, 1});
    CHECK(host.queue.held() == IdSet{"N1"});
  }
  SUBCASE("not asked for") {
    CHECK(host.done(task_of(Fate::sent, QueueAct::remove)).bounces == 0);
    CHECK(host.queue.files.size() == 3);
  }
}

TEST_CASE("held mail is taken out of the record of whom it was held for as well, and no other mail of theirs") {
  const std::string acme = "account:acme";
  Host host;
  for (const auto* const id : {"A1", "A2"}) {
    host.queue.put(id, true);
    host.record.put(held_shelf, id, 0s, acme, alice);
    host.record.put("held " + acme, id, 0s, acme, alice);
  }
  host.record.put("held " + acme, "B1", 0s, acme, "user:bob@example.com");
  host.record.put("held " + acme, "A1", 10s, acme, "user:bob@example.com");  // the id of a later message
  host.record.page_size = 1;
  CHECK(host.done(task_of(Fate::held, QueueAct::remove)).done == 2);
  CHECK(host.record.left(held_shelf) == 0);
  CHECK(host.record.left("held " + acme) == 2);
  CHECK(host.record.held_for == std::map<std::string, std::int64_t>{{acme, 2}});
}

TEST_CASE("of what is skipped the first hundred are listed, and all are counted") {
  Host host;
  for (int i = 0; i < 150; ++i) {
    host.put(Fate::held, "A" + std::to_string(i));
    host.queue.put("A" + std::to_string(i), true, "bob@example.com");
  }
  const auto report = host.done(task_of(Fate::held, QueueAct::remove));
  CHECK(report.skipped == 150);
  CHECK(report.skips.size() == 100);
}
