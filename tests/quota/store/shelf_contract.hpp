// The part of every Archive's contract that is about queue ids, and the orders about them. A test says SHELF_CONTRACT(ItsFixture), which is
// one for ARCHIVE_CONTRACT (archive_contract.hpp).
#pragma once

#include "quota/queue_order.hpp"
#include "tests/quota/store/archive_contract.hpp"

namespace quota::test {

inline PastMessage passed(Timestamp at, const std::string& queue_id, const std::string& host = "mx1") {
  return {.at = at, .action = Action::accept, .queue_id = queue_id, .host = host, .mail_from = "u1@example.com", .recipients = 1};
}

inline QueuedMail held(Timestamp at, const std::string& queue_id, const std::string& host = "mx1") {
  return {host, at, queue_id, "any\t<one>", "u1@example.com", 2, "user:u1@example.com", "client:192.0.2.1"};
}

inline ShelfPage page(Archive& archive, const Shelf& shelf, const std::string& from = "", std::size_t count = Archive::most_of_page) {
  auto page = archive.page(shelf, from, count);
  if (!page) FAIL("no page: " << page.error().text);
  return std::move(*page);
}

/// The queue ids on a shelf, page by page.
inline std::string ids_on(Archive& archive, const Shelf& shelf, std::size_t count = Archive::most_of_page) {
  std::string ids, from;
  do {
    auto next = page(archive, shelf, from, count);
    for (const auto& row : next.rows) ids += (ids.empty() ? "" : " ") + row.mail.queue_id;
    from = next.next;
  } while (!from.empty());
  return ids;
}

inline std::vector<std::string> shelves_of(Archive& archive, const std::optional<Identity>& identity) {
  const auto counts = archive.shelves(identity);
  if (!counts) FAIL("no shelves: " << counts.error().text);
  std::vector<std::string> texts;
  for (const auto& [shelf, count, oldest] : *counts)
    texts.push_back(shelf.identity + " " + shelf.host + (shelf.fate == Fate::held ? " held " : " sent ") + std::to_string(count) + " " +
                    std::to_string((oldest - start) / 1s));
  std::sort(texts.begin(), texts.end());
  return texts;
}

inline bool gave(Archive& archive, const QueueOrder& order) {
  const auto given = archive.give(order);
  if (!given) FAIL("not given: " << given.error().text);
  return *given;
}

inline std::vector<OrderStatus> orders_in(Archive& archive) {
  auto orders = archive.orders();
  if (!orders) FAIL("no orders: " << orders.error().text);
  return std::move(*orders);
}

TEST_CASE_TEMPLATE_DEFINE("an archive keeps what is held, by sender and host, until it is taken away", Fixture, archive_shelves) {
  Fixture fixture;
  auto& archive = fixture.archive({});
  auto note = note_of(sender(1), start, Fate::held, 1);
  note.held = {held(start, "A1"), held(start + 1s, "A2"), held(start + 2s, "B1", "mx 2/x")};
  auto other = note_of(sender(2), start, Fate::held, 1);
  other.held = {held(start + 3s, "A3")};
  write(archive, {note, other});
  write(archive, {note_of(sender(3), start, Fate::sent, 1)});
  const Shelf shelf{sender(1).text(), "mx1", Fate::held};
  const auto rows = page(archive, shelf).rows;
  REQUIRE(rows.size() == 2);
  CHECK(rows[0].mail == held(start, "A1"));
  CHECK(ids_on(archive, shelf, 1) == "A1 A2");
  CHECK(ids_on(archive, {sender(1).text(), "mx 2/x", Fate::held}) == "B1");
  CHECK(ids_on(archive, {sender(1).text(), "mx1", Fate::sent}).empty());
  const std::vector<std::string> own{"user:u1@example.com mx 2/x held 1 2", "user:u1@example.com mx1 held 2 0"};
  CHECK(shelves_of(archive, sender(1)) == own);
  CHECK(shelves_of(archive, std::nullopt) == std::vector<std::string>{own[0], own[1], "user:u2@example.com mx1 held 1 3"});

  REQUIRE(archive.take_away(shelf, std::vector{rows[0].place, std::string("9999999999999-0")}).has_value());
  CHECK(ids_on(archive, shelf) == "A2");
  REQUIRE(archive.take_away(shelf, std::vector{rows[1].place}).has_value());
  CHECK(ids_on(archive, shelf).empty());
  CHECK(shelves_of(archive, sender(1)) == std::vector<std::string>{own[0]});
}

TEST_CASE_TEMPLATE_DEFINE("mail of many others hides nobody's held mail from who asks for it", Fixture, archive_shelves_of_many) {
  Fixture fixture;
  auto& archive = fixture.archive({});
  auto first = note_of(sender(0), start, Fate::held, 1);
  first.held = {held(start, "A1")};
  write(archive, {first});
  fixture.set_now(start + 1s);
  std::vector<Note> others;
  for (int n = 1; n <= 1500; ++n) others.emplace_back(note_of(sender(n), start + 1s, Fate::held, 1)).held = {held(start + 1s, "B" + std::to_string(n))};
  write(archive, others);
  CHECK(shelves_of(archive, sender(0)) == std::vector<std::string>{"user:u0@example.com mx1 held 1 0"});
  CHECK(shelves_of(archive, std::nullopt).size() == Archive::most_shelves);
}

TEST_CASE_TEMPLATE_DEFINE("an archive knows the queue ids of all mail that was let through, also of what is no longer listed", Fixture, archive_sent) {
  Fixture fixture;
  auto& archive = fixture.archive({.messages = 3, .queue_ids = 5});
  const Shelf shelf{sender(1).text(), "mx1", Fate::sent};
  const auto write_ids = [&](int first, int count) {
    auto note = note_of(sender(1), start, Fate::sent, 1);
    for (int n = first; n < first + count; ++n) note.messages.push_back(passed(start + n * 1s, "Q" + std::to_string(n), n % 5 == 4 ? "mx2" : "mx1"));
    write(archive, {note});
  };
  write_ids(0, 2);
  CHECK(ids_on(archive, shelf) == "Q0 Q1");
  CHECK(shelves_of(archive, std::nullopt).empty());
  write_ids(2, 3);
  CHECK(ids_on(archive, shelf, 1) == "Q2 Q3 Q0 Q1");  // those among the last three messages come first
  CHECK(ids_on(archive, {sender(1).text(), "mx2", Fate::sent}) == "Q4");
  auto many = note_of(sender(1), start, Fate::sent, 1);
  for (int n = 5; n < 8; ++n) many.sent.push_back({"mx1", start + n * 1s, "Q" + std::to_string(n), "u1@example.com", "u1@example.com", 1, "", ""});
  many.messages.push_back(passed(start + 8s, "Q8"));
  many.messages.push_back({.at = start + 9s, .action = Action::reject, .host = "mx1"});
  many.messages.push_back(passed(start + 10s, "not an id"));
  write(archive, {many});
  CHECK(ids_on(archive, shelf) == "Q8 Q2 Q3 Q5 Q6 Q7");  // the one that is listed, and the five latest
  CHECK(shelves_of(archive, sender(1)) == std::vector<std::string>{"user:u1@example.com mx1 sent 6 2", "user:u1@example.com mx2 sent 1 4"});
  const auto rows = page(archive, shelf, shelf_begin).rows;
  REQUIRE(archive.take_away(shelf, std::vector{rows[0].place, rows[1].place}).has_value());
  CHECK(ids_on(archive, shelf) == "Q8 Q5 Q6 Q7");
  CHECK(rows[0].mail == QueuedMail{"mx1", start + 2s, "Q2", "u1@example.com", "u1@example.com", 1, "", ""});

  fixture.set_now(start + std::chrono::days{5} + 6s);
  CHECK(ids_on(archive, shelf) == "Q8 Q6 Q7");  // a sender of many is remembered for as long as an MTA tries
}

TEST_CASE_TEMPLATE_DEFINE("what is pushed out of the last messages while a shelf is read is told of twice, and none is missed", Fixture, archive_moves) {
  Fixture fixture;
  auto& archive = fixture.archive({.messages = 3});
  const Shelf shelf{sender(1).text(), "mx1", Fate::sent};
  const auto write_ids = [&](int first, int count) {
    auto note = note_of(sender(1), start, Fate::sent, 1);
    for (int n = first; n < first + count; ++n) note.messages.push_back(passed(start + n * 1s, "Q" + std::to_string(n)));
    write(archive, {note});
  };
  write_ids(0, 5);
  std::string ids;
  std::string from;
  do {
    const auto next = page(archive, shelf, from);
    for (const auto& row : next.rows) ids += " " + row.mail.queue_id;
    from = next.next;
    if (from == shelf_begin) write_ids(5, 3);
  } while (!from.empty());
  CHECK(ids == " Q2 Q3 Q4 Q0 Q1 Q2 Q3 Q4");
}

TEST_CASE_TEMPLATE_DEFINE("a queue id is found that is no longer among the last messages", Fixture, archive_finds_shelved) {
  Fixture fixture;
  auto& archive = fixture.archive({.messages = 3});
  auto note = note_of(sender(1), start, Fate::sent, 1);
  for (int n = 0; n < 8; ++n) note.messages.push_back(passed(start + n * 1s, "Q" + std::to_string(n)));
  write(archive, {note});
  auto other = note_of(sender(2), start, Fate::held, 1);
  other.held = {held(start, "A1", "mx 2/x")};
  auto for_whom = note_of({Kind::account, "acme"}, start, Fate::held, 1);
  for_whom.held = other.held;
  write(archive, {other, for_whom});
  for (const auto& [typed, want] : {std::pair("Q1", "user:u1@example.com Q1 mx1 accept 1"), {"<20251122120000.Q1@mx1>", "user:u1@example.com Q1 mx1 accept 1"},
                                   {"Q6", "user:u1@example.com Q6 mx1 accept 1"}, {"A1", "account:acme A1 mx 2/x quarantine 2"}, {"Q9", ""}, {"mx1", ""}}) {
    const std::string name(typed);
    CAPTURE(name);
    const auto search = archive.find(MessageName(name), 20, std::chrono::steady_clock::now() + 10s);
    REQUIRE(search.has_value());
    CHECK(search->is_complete);
    std::string text;
    for (const auto& [identity, message] : search->found)
      text += identity + " " + message.queue_id + " " + message.host + " " + std::string(quota::name(message.action)) + " " + std::to_string(message.recipients);
    const bool is_either = text == want || (std::string_view(typed) == "A1" && text == "user:u2@example.com A1 mx 2/x quarantine 2");
    CHECK_MESSAGE(is_either, text);
  }
}

TEST_CASE_TEMPLATE_DEFINE("an archive tells of what stands at places that are known", Fixture, archive_places) {
  Fixture fixture;
  auto& archive = fixture.archive({});
  auto note = note_of(sender(1), start, Fate::held, 1);
  note.held = {held(start, "A1"), held(start + 1s, "A2")};
  write(archive, {note});
  const Shelf shelf{sender(1).text(), "mx1", Fate::held};
  const auto rows = page(archive, shelf).rows;
  const auto found = archive.mail_at(shelf, std::vector{rows[1].place, std::string("9999999999999-0")});
  REQUIRE(found.has_value());
  REQUIRE(found->size() == 1);
  CHECK((*found)[0] == held(start + 1s, "A2"));
}

TEST_CASE_TEMPLATE_DEFINE("an archive hands orders to every host, and tells how far each has come", Fixture, archive_orders) {
  Fixture fixture;
  auto& archive = fixture.archive({});
  QueueOrder order{"o1", "user:u1@example.com", Fate::held, QueueAct::remove, true, false, start, "uid 0\t(root)", "spam", {"mx1", "mx2"}};
  REQUIRE(gave(archive, order));
  auto second = order;
  second.id = "o2";
  second.at = start + 1s;
  second.hosts.clear();
  REQUIRE(gave(archive, second));
  auto orders = orders_in(archive);
  REQUIRE(orders.size() == 2);
  CHECK(orders[0].order == order);
  CHECK_FALSE(orders[0].is_over());
  CHECK(orders[1].is_over());
  const OrderReport report{OrderReport::State::done, start + 2s, 9, 5, 2, 2, 1, "an error", {"A1: another sender", "A2: \t"}};
  REQUIRE(archive.report("o1", "mx1", report).has_value());
  REQUIRE(archive.report("nobody", "mx1", report).has_value());
  orders = orders_in(archive);
  CHECK(orders[0].reports.at("mx1") == report);
  CHECK_FALSE(orders[0].is_over());
  REQUIRE(archive.report("o1", "mx2", {OrderReport::State::failed, start + 3s}).has_value());
  CHECK(orders_in(archive)[0].is_over());

  fixture.set_now(start + 3s + ended_order_kept_for);
  REQUIRE(orders_in(archive).size() == 1);  // over a day ago: o2
  fixture.set_now(start + 4s + ended_order_kept_for);
  CHECK(orders_in(archive).empty());
}

TEST_CASE_TEMPLATE_DEFINE("an archive knows which hosts asked for orders lately", Fixture, archive_hosts) {
  Fixture fixture;
  auto& archive = fixture.archive({});
  const auto seen = [&archive] {
    auto hosts = archive.hosts_seen();
    if (!hosts) FAIL("no hosts: " << hosts.error().text);
    std::sort(hosts->begin(), hosts->end());
    return *hosts;
  };
  CHECK(seen().empty());
  REQUIRE(archive.see_host("mx1").has_value());
  fixture.set_now(start + 40s);
  REQUIRE(archive.see_host("mx2").has_value());
  CHECK(seen() == std::vector<std::string>{"mx1", "mx2"});
  fixture.set_now(start + 61s);
  CHECK(seen() == std::vector<std::string>{"mx2"});
}

#define SHELF_CONTRACT(Fixture)                       \
  TEST_CASE_TEMPLATE_INVOKE(archive_shelves, Fixture); \
  TEST_CASE_TEMPLATE_INVOKE(archive_shelves_of_many, Fixture); \
  TEST_CASE_TEMPLATE_INVOKE(archive_sent, Fixture);    \
  TEST_CASE_TEMPLATE_INVOKE(archive_hosts, Fixture);   \
  TEST_CASE_TEMPLATE_INVOKE(archive_moves, Fixture);            \
  TEST_CASE_TEMPLATE_INVOKE(archive_places, Fixture);           \
  TEST_CASE_TEMPLATE_INVOKE(archive_finds_shelved, Fixture);    \
  TEST_CASE_TEMPLATE_INVOKE(archive_orders, Fixture)

}  // namespace quota::test
