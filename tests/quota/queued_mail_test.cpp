#include "quota/queued_mail.hpp"

#include <doctest/doctest.h>

#include "quota/history.hpp"
#include "quota/queue_order.hpp"

using namespace quota;

namespace {

const Timestamp then{std::chrono::seconds{1'763'790'000}};
const Identity alice{Kind::user, "alice@example.com"};
const Identity uid{Kind::uid, "mx1/1000"};

}  // namespace

TEST_CASE("a queued message as text comes back as it was, and what is usual is short") {
  struct {
    QueuedMail mail;
    Identity own;
    std::string_view text;
  } const rows[] = {
      {{"", then, "4XyZ", "alice@example.com", "alice@example.com", 3, "", ""}, alice, "1763790000\t4XyZ\t=\t=\t3\t\t"},
      {{"", then, "4XyZ", "", "", 1, "user:alice@example.com", "user:alice@example.com"}, alice, "1763790000\t4XyZ\t\t\t1\t=\t="},
      {{"", then, "4XyZ", "=a\tb\n", std::nullopt, 1, "uid:mx1/1000", "user:alice@example.com"}, alice, "1763790000\t4XyZ\t==a\\tb\\n\t?\t1\tuid:mx1/1000\t="},
      {{"", then, "4XyZ", "www@mx1", "", 1, "uid:mx1/1000", "script:mx1/1000:a.php"}, uid, "1763790000\t4XyZ\twww@mx1\t\t1\t=\tscript:mx1/1000:a.php"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.text);
    CHECK(format(row.mail, row.own) == row.text);
    CHECK(parse_queued_mail(row.text, row.own) == row.mail);
  }
}

TEST_CASE("what is no queued message is none") {
  for (const auto* const text : {"", "x", "1763790000\t4XyZ\t=\t=\t3\t", "1763790000\t4X/Z\t=\t=\t3\t", "1763790000\t\t=\t=\t3\t", "soon\t4XyZ\t=\t=\t3\t",
                                 "1763790000\t4XyZ\t=\t=\tmany\t", "1763790000\t-dALL\t=\t=\t3\t"})
    CHECK_FALSE(parse_queued_mail(text, alice).has_value());
}

TEST_CASE("a queue id is of letters and digits") {
  for (const auto* const id : {"4XyZ02LLz1bY0d", "A30F8A72077", "6AM3wMlW028248"}) CHECK(is_queue_id(id));
  for (const auto* const text : {"", "-d", "ALL hold", "../x", "a.b", "4XyZ\n", "a*"}) CHECK_FALSE(is_queue_id(text));
  CHECK_FALSE(is_queue_id(std::string(65, 'A')));
}

TEST_CASE("of listed messages those that were let through may lie in a queue, and the login is known as far as the list tells") {
  PastMessage message{.at = then, .action = Action::accept, .queue_id = "4XyZ", .host = "mx1", .mail_from = "x@y", .recipients = 2};
  CHECK(queued_mail_of(message, alice) == QueuedMail{"mx1", then, "4XyZ", "x@y", "alice@example.com", 2, "", ""});
  CHECK(queued_mail_of(message, {Kind::script, "mx1/0:a.php"})->login == "");
  CHECK_FALSE(queued_mail_of(message, {Kind::client, "192.0.2.7"})->login.has_value());
  message.action = Action::tempfail;
  CHECK_FALSE(queued_mail_of(message, alice).has_value());
  message.action = Action::quarantine;
  CHECK_FALSE(queued_mail_of(message, alice).has_value());
}

TEST_CASE("an order and its reports as text come back as they were, and nonsense is none") {
  const QueueOrder order{"o1", "user:a@b", Fate::sent, QueueAct::hold, false, true, then, "by\t", "why\n", {"mx1", "mx\t2"}};
  CHECK(parse_queue_order("o1", format(order)) == order);
  const OrderReport report{OrderReport::State::running, then, 1, 2, 3, 4, 5, "e", {"x: y"}};
  CHECK(parse_order_report(format(report)) == report);
  for (const auto* const text : {"", "1763790000\tuser:a@b\theld\tburn\t0\t0\t\t", "1763790000\tuser:a@b\tlost\tsend\t0\t0\t\t", "x\tuser:a@b\theld\tsend\t0\t0\t\t"})
    CHECK_FALSE(parse_queue_order("o1", text).has_value());
  for (const auto* const text : {"", "1763790000\tnever\t1\t2\t3\t4\t5\t", "1763790000\tdone\t1\t2\tx\t4\t5\t", "1763790000\tdone\t1"})
    CHECK_FALSE(parse_order_report(text).has_value());
}

TEST_CASE("a report names so many messages that were skipped, and no more") {
  OrderReport report{.at = then};
  report.skips.assign(150, "4XyZ: another sender");
  CHECK(parse_order_report(format(report))->skips.size() == OrderReport::most_skipped);
}
