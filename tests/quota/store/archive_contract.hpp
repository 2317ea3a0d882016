// The contract of every Archive: what was noted is read, by whichever daemon. An archive's test says ARCHIVE_CONTRACT(ItsFixture):
// a class with archive(bounds), which gives the same one each time, and set_now(), which begins at `start`.
#pragma once

#include <doctest/doctest.h>

#include <random>

#include "quota/archive.hpp"
#include "tests/quota/store/fixture.hpp"

namespace quota::test {

using namespace std::chrono_literals;

inline Identity sender(int number) { return {Kind::user, "u" + std::to_string(number) + "@example.com"}; }

inline Note note_of(const Identity& identity, Timestamp at, Fate fate, std::int64_t recipients, std::vector<NetworkSeen> networks = {}) {
  Note note{identity};
  note.fives[five_of(at)].add(fate, recipients);
  note.networks = std::move(networks);
  return note;
}

inline void write(Archive& archive, std::vector<Note> notes) {
  const auto unwritten = archive.write(notes, std::chrono::steady_clock::now() + 10s);
  if (unwritten) FAIL("not written: " << unwritten->why.text);
}

inline Chronicle read(Archive& archive, const Identity& identity) {
  auto chronicle = archive.read(identity);
  if (!chronicle) FAIL("not read: " << chronicle.error().text);
  return std::move(*chronicle);
}

inline std::vector<Ranked> top(Archive& archive, const TopQuestion& question) {
  auto ranked = archive.top(question);
  if (!ranked) FAIL("no ranking: " << ranked.error().text);
  return std::move(*ranked);
}

TEST_CASE_TEMPLATE_DEFINE("an archive tells what was noted, and of an unknown sender nothing", Fixture, archive_tells) {
  Fixture fixture;
  auto& archive = fixture.archive({});
  auto note = note_of(sender(1), start, Fate::sent, 3, {{"192.0.2.0/24", start, 1}});
  note.first = start + 7s + 999ms;
  note.messages.push_back({.at = start, .action = Action::accept, .queue_id = "4Xy1", .mail_from = "u1@example.com", .subject = "grüße"});
  note.messages.push_back({.at = start + 1s, .action = Action::tempfail, .quota = "mailbox", .mail_from = "\t", .recipients = 1});
  write(archive, {note});
  const auto chronicle = read(archive, sender(1));
  History want;
  add(want, note, {}, start);
  CHECK(chronicle.history == want);
  CHECK(chronicle.history.first == start + 7s);
  REQUIRE(chronicle.messages.size() == 2);
  CHECK(chronicle.messages[0] == note.messages[1]);
  CHECK(chronicle.messages[1] == note.messages[0]);
  CHECK(read(archive, sender(2)).history == History{});
}

TEST_CASE_TEMPLATE_DEFINE("an archive keeps the last messages only, and the newest networks", Fixture, archive_bounds) {
  Fixture fixture;
  auto& archive = fixture.archive({.messages = 3, .networks = 2});
  for (int i = 1; i <= 5; ++i) {
    auto note = note_of(sender(1), start, Fate::sent, 1, {{std::to_string(i) + "/24", start + i * 1s, 1}});
    note.messages.push_back({.at = start + i * 1s});
    write(archive, {note});
  }
  const auto chronicle = read(archive, sender(1));
  REQUIRE(chronicle.messages.size() == 3);
  CHECK(chronicle.messages.front().at == start + 5s);
  REQUIRE(chronicle.history.networks.size() == 2);
  CHECK(chronicle.history.networks.front().network == "5/24");
  CHECK(chronicle.history.hours.begin()->second.messages[0] == 5);
}

TEST_CASE_TEMPLATE_DEFINE("an archive counts any notes as the plain arithmetic does", Fixture, archive_counts) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    Fixture fixture;
    const HistoryBounds bounds{.hours_for = std::chrono::days{2}, .fives_for = 3h, .networks = 4};
    auto& archive = fixture.archive(bounds);
    std::mt19937_64 random(seed);
    const auto upto = [&](std::uint64_t most) { return static_cast<std::int64_t>(random() % (most + 1)); };
    std::map<int, History> want;
    auto now = start;
    for (int step = 0; step < 60; ++step) {
      now += std::chrono::minutes{upto(90)};
      fixture.set_now(now);
      const auto who = static_cast<int>(upto(2));
      auto note = note_of(sender(who), now, static_cast<Fate>(upto(2)), upto(50), {{std::to_string(upto(6)) + "/24", now, 1 + upto(3)}});
      if (upto(3) == 0) note.fives[five_of(now) - 1].add(Fate::sent, upto(9));
      write(archive, {note});
      add(want[who], note, bounds, now);
      if (upto(3) != 0) continue;
      Note nothing{sender(static_cast<int>(upto(2)))};
      if (!want.contains(static_cast<int>(nothing.identity.value[1] - '0'))) continue;
      nothing.fives[five_of(now) + upto(30)] = Tally{};
      write(archive, {nothing});
      add(want[nothing.identity.value[1] - '0'], nothing, bounds, now);
    }
    for (auto& one : want) {
      const auto who = one.first;
      auto& history = one.second;
      forget_passed(history, bounds, now);
      CAPTURE(seed);
      CAPTURE(who);
      CHECK(format(read(archive, sender(who)).history) == format(history));
    }
  }
}

TEST_CASE_TEMPLATE_DEFINE("an archive ranks the senders of an hour by each measure, and adds hours up", Fixture, archive_ranks) {
  Fixture fixture;
  auto& archive = fixture.archive({});
  const auto hour = five_of(start) / fives_of_hour;
  const auto later = start + 1h;
  write(archive, {note_of(sender(1), start, Fate::sent, 1, {{"a/24", start, 1}}), note_of(sender(2), start, Fate::refused, 7, {{"a/24", start, 1}, {"b/24", start, 1}})});
  write(archive, {note_of(sender(1), start, Fate::sent, 5), note_of(sender(3), start, Fate::sent, 90)});
  write(archive, {note_of(sender(3), later, Fate::sent, 1), note_of({Kind::client, "192.0.2.7"}, start, Fate::sent, 1)});
  const auto u = [](int number) { return sender(number).text(); };
  using Rows = std::vector<Ranked>;
  CHECK(top(archive, {Kind::user, Measure::messages, hour, hour, 10}) == Rows{{u(1), 2}, {u(3), 1}});
  CHECK(top(archive, {Kind::user, Measure::messages, hour, hour + 1, 10}) == Rows{{u(1), 2}, {u(3), 2}});
  CHECK(top(archive, {Kind::user, Measure::messages, hour + 1, hour + 1, 10}) == Rows{{u(3), 1}});
  CHECK(top(archive, {Kind::user, Measure::recipients, hour, hour, 1}) == Rows{{u(3), 90}});
  CHECK(top(archive, {Kind::user, Measure::refused, hour, hour, 10}) == Rows{{u(2), 1}});
  CHECK(top(archive, {Kind::user, Measure::networks, hour, hour, 10}) == Rows{{u(2), 2}, {u(1), 1}});
  CHECK(top(archive, {Kind::user, Measure::held, hour, hour, 10}).empty());
  write(archive, {note_of(sender(2), start, Fate::held, 7)});
  CHECK(top(archive, {Kind::user, Measure::held, hour, hour, 10}) == Rows{{u(2), 1}});
  CHECK(top(archive, {Kind::client, Measure::messages, hour, hour, 10}) == Rows{{"client:192.0.2.7", 1}});
  CHECK(top(archive, {Kind::script, Measure::messages, hour, hour, 10}).empty());
}

TEST_CASE_TEMPLATE_DEFINE("an archive reads the histories of several senders at once, in their order", Fixture, archive_reads_many) {
  Fixture fixture;
  auto& archive = fixture.archive({.hours_for = std::chrono::days{2}});
  std::vector<Note> notes;
  std::vector<Identity> asked;
  for (int who = 0; who < static_cast<int>(Archive::read_together); ++who) {
    asked.push_back(sender(who));
    if (who % 2 == 0) notes.push_back(note_of(sender(who), start, Fate::held, who));
  }
  write(archive, notes);
  const auto all = archive.histories(asked);
  REQUIRE(all.has_value());
  REQUIRE(all->size() == asked.size());
  for (std::size_t i = 0; i < asked.size(); ++i) CHECK((*all)[i] == read(archive, asked[i]).history);
  CHECK((*all)[2].hours.begin()->second.recipients[2] == 2);
  CHECK(archive.histories({})->empty());
  fixture.set_now(start + std::chrono::days{4});
  CHECK(archive.histories(asked)->at(2).hours.empty());
}

TEST_CASE_TEMPLATE_DEFINE("an archive counts everyone as one more, who is not ranked", Fixture, archive_counts_everyone) {
  Fixture fixture;
  auto& archive = fixture.archive({});
  const auto hour = five_of(start) / fives_of_hour;
  write(archive, {note_of(everyone_identity(), start, Fate::sent, 3), note_of(sender(1), start, Fate::sent, 3)});
  CHECK(top(archive, {Kind::user, Measure::messages, hour, hour, 10}).size() == 1);
  CHECK(read(archive, everyone_identity()).history.hours.at(hour).recipients[0] == 3);
}

TEST_CASE_TEMPLATE_DEFINE("an archive ranks the greatest hundred of an hour, whenever they grew", Fixture, archive_ranks_many) {
  Fixture fixture;
  auto& archive = fixture.archive({});
  const auto hour = five_of(start) / fives_of_hour;
  const auto grow = [&](int who, int by) {
    auto note = note_of(sender(who), start, Fate::sent, 1);
    note.fives.begin()->second.messages[0] = by;
    return note;
  };
  std::vector<Note> notes;
  for (int who = 0; who < 250; ++who) notes.push_back(grow(who, who + 1));
  write(archive, notes);
  write(archive, {grow(0, 1000)});  // who was among the last grows
  const auto ranked = top(archive, {Kind::user, Measure::messages, hour, hour, 1000});
  REQUIRE(ranked.size() >= Archive::ranked_of_hour);
  CHECK(ranked[0] == Ranked{sender(0).text(), 1001});
  CHECK(ranked[1] == Ranked{sender(249).text(), 250});
  CHECK(ranked[99] == Ranked{sender(151).text(), 152});
}

TEST_CASE_TEMPLATE_DEFINE("an archive ranks no hour that it does not keep any longer", Fixture, archive_ranks_kept) {
  Fixture fixture;
  auto& archive = fixture.archive({.hours_for = std::chrono::days{2}});
  const auto hour = five_of(start) / fives_of_hour;
  write(archive, {note_of(sender(1), start, Fate::sent, 1)});
  fixture.set_now(start + std::chrono::days{4});
  write(archive, {note_of(sender(2), start + std::chrono::days{4}, Fate::sent, 1)});
  CHECK(top(archive, {Kind::user, Measure::messages, 0, hour + 96, 10}) == std::vector<Ranked>{{sender(2).text(), 1}});
}

TEST_CASE_TEMPLATE_DEFINE("an archive keeps evidence short, however long the texts are, and can read as much as it keeps", Fixture, archive_long_texts) {
  Fixture fixture;
  auto& archive = fixture.archive({.messages = 300});
  auto note = note_of(sender(1), start, Fate::sent, 1);
  PastMessage longest{.at = start, .queue_id = std::string(300, 'q'), .mail_from = std::string(4096, '\x01'), .script = std::string(4096, 's'), .recipients = 20};
  for (int i = 0; i < 20; ++i) longest.first_recipients.emplace_back(4096, 'r');
  longest.headers.assign(8, {"x-header", std::string(1000, 'h')});
  note.messages.assign(300, longest);
  write(archive, {note});
  const auto messages = read(archive, sender(1)).messages;
  REQUIRE(messages.size() == 300);
  CHECK(messages[0].first_recipients.size() == 20);
  CHECK(messages[0].first_recipients[0] == std::string(PastMessage::longest_text, 'r') + "…");
  CHECK(messages[0].mail_from == std::string(PastMessage::longest_text / 4, '\x01') + "…");
}

TEST_CASE_TEMPLATE_DEFINE("refused messages push out no evidence of what has left", Fixture, archive_keeps_evidence) {
  Fixture fixture;
  auto& archive = fixture.archive({.messages = 6});
  const auto message = [](int n, Action action) {
    return PastMessage{.at = start + n * 1s, .action = action, .is_discarded = action == Action::reject, .cause = action == Action::accept ? Cause::within : Cause::over, .queue_id = "Q" + std::to_string(n)};
  };
  const auto add = [&](std::initializer_list<std::pair<int, Action>> all) {
    auto note = note_of(sender(1), start, Fate::sent, 1);
    for (const auto& [n, action] : all) note.messages.push_back(message(n, action));
    write(archive, {note});
    std::string ids;
    for (const auto& one : read(archive, sender(1)).messages) ids += (ids.empty() ? "" : " ") + one.queue_id;
    return ids;
  };
  fixture.set_now(start + 1h);
  CHECK(add({{1, Action::tempfail}, {2, Action::accept}, {3, Action::reject}}) == "Q3 Q2 Q1");
  CHECK(add({{4, Action::tempfail}, {5, Action::quarantine}}) == "Q5 Q4 Q3 Q2");  // a third of six
  CHECK(add({{6, Action::tempfail}, {7, Action::tempfail}, {8, Action::tempfail}}) == "Q8 Q7 Q5 Q2");
  CHECK(add({{9, Action::accept}, {10, Action::accept}, {11, Action::accept}}) == "Q11 Q10 Q9 Q8 Q7 Q5");
  const auto shelves = archive.shelves(sender(1));
  REQUIRE(shelves.has_value());
  REQUIRE(shelves->size() == 1);
  CHECK((*shelves)[0].count == 4);  // what has left, whether it is among the last or not: 2, 9, 10 and 11
}

TEST_CASE_TEMPLATE_DEFINE("an archive finds whose message bears a queue id, a client's address, a Message-ID or a header's text", Fixture, archive_finds) {
  Fixture fixture;
  auto& archive = fixture.archive({});
  std::vector<Note> notes;
  for (int who = 0; who < 100; ++who) {
    auto& note = notes.emplace_back(note_of(sender(who), start, Fate::sent, 1));
    for (int n = 0; n < 3; ++n)
      note.messages.push_back({.at = start + (3 * who + n) * 1s, .queue_id = "Q" + std::to_string(3 * who + n), .client = "192.0.2." + std::to_string(who % 10),
                               .mail_from = sender(who).value, .headers = {{"message-id", "<" + std::to_string(who) + "\t" + std::to_string(n) + "@x>"}}});
  }
  auto& many = notes.front();  // its newest messages are of clients that only look like one that is sought
  many.messages[0].client = "192.0.2.1";
  notes[5].messages[0].mark = message_mark("<five@x>");
  notes[6].messages[0].subject = message_mark("<five@x>");
  for (int n = 0; n < 50; ++n) many.messages.push_back({.at = start + 1h - 100s + n * 1s, .queue_id = "R" + std::to_string(n), .client = "192.0.2.17"});
  write(archive, notes);
  fixture.set_now(start + 1h);
  const auto found = [&](const std::string& text, std::size_t most = 20) {
    const auto search = archive.find(MessageName(text), most, std::chrono::steady_clock::now() + 10s);
    REQUIRE(search.has_value());
    CHECK(search->is_complete);
    CHECK(search->senders == 100);
    std::string ids;
    for (const auto& one : search->found) ids += (ids.empty() ? "" : " ") + one.identity + "=" + one.message.queue_id;
    return ids;
  };
  CHECK(found("Q29") == "user:u9@example.com=Q29");
  CHECK(found("Q") == "");
  CHECK(found("192.0.2.1", 100).ends_with(" user:u0@example.com=Q0"));
  CHECK(found("192.0.2.7", 4) == "user:u97@example.com=Q293 user:u97@example.com=Q292 user:u97@example.com=Q291 user:u87@example.com=Q263");
  CHECK(found("192.0.2") == "");
  CHECK(found("u42@example.com") == "");  // it stands in the line, and is no name of the message
  CHECK(found("<42\t1@x>") == "user:u42@example.com=Q127");
  CHECK(found("=") == "");
  CHECK(found("<five@x>") == "user:u5@example.com=Q15");
  CHECK(found("five@x") == "user:u5@example.com=Q15");
  CHECK(found(message_mark("<five@x>")) == "");
  CHECK(found("<20251122120000.Q29@mx1.example.com>") == "user:u9@example.com=Q29");
  fixture.set_now(start + 25h);
  CHECK(found("Q29") == "");
  const auto late = archive.find(MessageName("Q29"), 20, std::chrono::steady_clock::now());
  REQUIRE(late.has_value());
  CHECK_FALSE(late->is_complete);
}

#define ARCHIVE_CONTRACT(Fixture)                               \
  TEST_CASE_TEMPLATE_INVOKE(archive_tells, Fixture);            \
  TEST_CASE_TEMPLATE_INVOKE(archive_bounds, Fixture);           \
  TEST_CASE_TEMPLATE_INVOKE(archive_counts, Fixture);           \
  TEST_CASE_TEMPLATE_INVOKE(archive_ranks, Fixture);            \
  TEST_CASE_TEMPLATE_INVOKE(archive_ranks_many, Fixture);       \
  TEST_CASE_TEMPLATE_INVOKE(archive_reads_many, Fixture);       \
  TEST_CASE_TEMPLATE_INVOKE(archive_counts_everyone, Fixture);  \
  TEST_CASE_TEMPLATE_INVOKE(archive_ranks_kept, Fixture);       \
  TEST_CASE_TEMPLATE_INVOKE(archive_long_texts, Fixture);       \
  TEST_CASE_TEMPLATE_INVOKE(archive_keeps_evidence, Fixture);   \
  TEST_CASE_TEMPLATE_INVOKE(archive_finds, Fixture)

}  // namespace quota::test
