#include "quota/store/chronicler.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <future>

#include "quota/store/memory_archive.hpp"
#include "tests/support/manual_clock.hpp"

using namespace quota;
using namespace std::chrono_literals;

namespace {

constexpr Timestamp start{1'763'790'000'000ms};
const Identity alice{Kind::user, "alice@example.com"};
const Identity domain{Kind::user_domain, "example.com"};
const Identity client{Kind::client, "192.0.2.7"};

PastMessage message_at(Timestamp at, Action action = Action::accept, std::string from = "192.0.2.7") {
  return {.at = at, .action = action, .client = std::move(from), .recipients = 2};
}

/// An archive that answers what a test told it to.
class ScriptedArchive : public Archive {
 public:
  std::optional<Unwritten> next{};
  std::vector<std::vector<Note>> written{};

  std::optional<Unwritten> write(std::span<const Note> notes, SteadyMoment) override {
    written.emplace_back(notes.begin(), notes.end());
    return next;
  }
  Result<Chronicle, StoreError> read(const Identity&) override { return Chronicle{}; }
  Result<std::vector<Ranked>, StoreError> top(const TopQuestion&) override { return std::vector<Ranked>{}; }
  Result<std::vector<History>, StoreError> histories(std::span<const Identity>) override { return std::vector<History>{}; }
  Result<Search, StoreError> find(const MessageName&, std::size_t, SteadyMoment) override { return Search{}; }
  Result<std::vector<ShelfCount>, StoreError> shelves(const std::optional<Identity>&) override { return std::vector<ShelfCount>{}; }
  Result<ShelfPage, StoreError> page(const Shelf&, const std::string&, std::size_t) override { return ShelfPage{}; }
  Result<std::vector<QueuedMail>, StoreError> mail_at(const Shelf&, std::span<const std::string>) override { return std::vector<QueuedMail>{}; }
  Result<void, StoreError> take_away(const Shelf&, std::span<const std::string>) override { return {}; }
  Result<void, StoreError> see_host(const std::string&) override { return {}; }
  Result<std::vector<std::string>, StoreError> hosts_seen() override { return std::vector<std::string>{}; }
  Result<bool, StoreError> give(const QueueOrder&) override { return false; }
  Result<std::vector<OrderStatus>, StoreError> orders() override { return std::vector<OrderStatus>{}; }
  Result<std::optional<OrderReport>, StoreError> report(const std::string&, const std::string&, const OrderReport&) override { return std::optional<OrderReport>{}; }
};

}  // namespace

TEST_CASE("messages are put together by identity; each is counted under all, and listed under one") {
  const auto notes = notes_of({{{alice, domain, client}, message_at(start)},
                               {{alice, domain, client}, message_at(start + 1s, Action::reject, "198.51.100.9")},
                               {{client}, message_at(start + 2s, Action::quarantine)}}, {});
  REQUIRE(notes.size() == 4);
  CHECK(notes[0].identity == alice);
  CHECK(format(notes[0].fives.at(five_of(start))) == "1,1,,2,2");
  CHECK(notes[0].networks == std::vector<NetworkSeen>{{"198.51.100.0/24", start + 1s, 1}, {"192.0.2.0/24", start, 1}});
  CHECK(notes[0].messages.size() == 2);
  CHECK(format(notes[1].fives.at(five_of(start))) == "1,1,,2,2");
  CHECK(notes[1].messages.empty());
  CHECK(format(notes[2].fives.at(five_of(start))) == "1,1,1,2,2,2");
  CHECK(notes[2].messages.size() == 1);
  CHECK(notes[3].identity == everyone_identity());
  CHECK(format(notes[3].fives.at(five_of(start))) == "1,1,1,2,2,2");  // each message once
  CHECK(notes[3].networks.empty());
  CHECK(notes[3].messages.empty());
  CHECK(notes_of({}, {}).empty());
}

TEST_CASE("of the messages before the last ones the queue ids are kept, and those of held mail under who lists it and whom it is held for") {
  std::vector<Happening> happenings;
  for (int i = 0; i < 6; ++i) {
    auto message = message_at(start + i * 1s, i == 1 ? Action::reject : i == 2 ? Action::quarantine : Action::accept);
    message.queue_id = "Q" + std::to_string(i);
    message.host = "mx1";
    happenings.push_back({{alice, client}, message, "alice@example.com", {}});
  }
  const Identity sender{Kind::sender, "x@y"};
  happenings[2].held_for = sender;
  const auto notes = notes_of(happenings, {.messages = 2, .queue_ids = 3});
  const auto ids = [](const std::vector<QueuedMail>& mail) {
    std::string text;
    for (const auto& one : mail) text += one.queue_id + "@" + one.host + " ";
    return text;
  };
  REQUIRE(notes.size() == 4);  // and everyone
  CHECK(ids(notes[0].sent) == "Q3@mx1 ");  // of Q1, Q2, Q3
  CHECK(notes[0].messages.size() == 2);
  const QueuedMail held{"mx1", start + 2s, "Q2", "", "alice@example.com", 2, "sender:x@y", "user:alice@example.com"};
  CHECK(notes[0].held == std::vector{held});
  CHECK(notes[1].held.empty());
  CHECK(notes[1].sent.empty());
  CHECK(notes[2].identity == sender);
  CHECK(notes[2].held == std::vector{held});
  CHECK(notes[2].fives.empty());
  CHECK(notes[3].held.empty());
  CHECK(notes_of(happenings, {.messages = 2, .queue_ids = 0})[0].held.empty());
}

TEST_CASE("of many messages the last are listed") {
  std::vector<Happening> many;
  for (int i = 0; i < 10; ++i) many.push_back({{alice}, message_at(start + i * 1s)});
  const auto notes = notes_of(many, {.messages = 3});
  REQUIRE(notes[0].messages.size() == 3);
  CHECK(notes[0].messages.front().at == start + 7s);
  CHECK(notes_of(many, {.messages = 0})[0].messages.empty());
}

TEST_CASE("of very many networks the last are noted") {
  std::vector<Happening> many;
  for (int i = 0; i < 100; ++i) many.push_back({{alice}, message_at(start, Action::accept, "192.0." + std::to_string(i) + ".1")});
  const auto networks = notes_of(many, {.networks = 64})[0].networks;
  REQUIRE(networks.size() == 64);
  CHECK(networks.front().network == "192.0.99.0/24");
  CHECK(networks.back().network == "192.0.36.0/24");
}

TEST_CASE("the texts of what waits are bounded") {
  ScriptedArchive archive;
  Chronicler chronicler(archive, {.write_every = 1h, .most_queued_bytes = 1000});
  Happening happening{{alice}, message_at(start)};
  happening.message.subject.assign(400, 's');
  for (int i = 0; i < 3; ++i) chronicler.add(Happening(happening));
  CHECK(chronicler.dropped() == 1);
  chronicler.flush(10s);
  chronicler.add(Happening(happening));
  CHECK(chronicler.dropped() == 1);
}

TEST_CASE("what was added is in the archive after a flush, and after the end") {
  ManualClock clock{start};
  MemoryArchive archive(clock, {});
  Chronicler chronicler(archive, {.write_every = 1h, .prepare = [](PastMessage& message) { message.subject = "read"; }});
  chronicler.add({{alice}, message_at(start)});
  chronicler.flush(10s);
  CHECK(archive.read(alice)->messages.at(0).subject == "read");
  chronicler.add({{alice}, message_at(start)});
  chronicler.stop();
  CHECK(archive.read(alice)->messages.size() == 2);
  chronicler.add({{alice}, message_at(start)});
  CHECK(chronicler.dropped() == 1);
}

TEST_CASE("what finds no room or no answer is dropped and counted, and said once") {
  ScriptedArchive archive;
  std::vector<std::string> said;
  Chronicler chronicler(archive, {.write_every = 1h, .most_queued = 2, .report = [&](const std::string& problem) { said.push_back(problem); }});
  for (int i = 0; i < 3; ++i) chronicler.add({{alice}, message_at(start)});
  CHECK(chronicler.dropped() == 1);
  archive.next = Archive::Unwritten{2, {StoreErrorKind::unreachable, Executed::no, "away"}};
  chronicler.flush(10s);
  CHECK(chronicler.dropped() == 3);
  chronicler.add({{alice}, message_at(start)});
  chronicler.flush(10s);
  CHECK(chronicler.dropped() == 4);
  archive.next.reset();
  chronicler.add({{alice}, message_at(start)});
  chronicler.flush(10s);
  CHECK(chronicler.dropped() == 4);
  CHECK(said == std::vector<std::string>{"away", ""});
}

TEST_CASE("that writing works again is known without a message, and nothing is counted for it") {
  struct Recovering final : ScriptedArchive {
    std::atomic<bool> is_away{true};
    std::optional<Unwritten> write(std::span<const Note> notes, SteadyMoment until) override {
      ScriptedArchive::write(notes, until);
      return is_away ? std::optional(Unwritten{notes.size(), {StoreErrorKind::unreachable, Executed::no, "away"}}) : std::nullopt;
    }
  } archive;
  std::promise<void> failed, worked;
  Chronicler chronicler(archive, {.write_every = 10ms, .report = [&](const std::string& problem) { (problem.empty() ? worked : failed).set_value(); }});
  chronicler.add({{alice, domain}, message_at(start)});
  REQUIRE(failed.get_future().wait_for(10s) == std::future_status::ready);
  const auto dropped = chronicler.dropped();
  archive.is_away = false;
  REQUIRE(worked.get_future().wait_for(10s) == std::future_status::ready);
  chronicler.stop();
  CHECK(chronicler.dropped() == dropped);
  const auto& probes = archive.written.back();
  REQUIRE(probes.size() == 3);  // and everyone
  CHECK(probes.front().identity == alice);
  for (const auto& probe : probes) {
    CHECK(probe.fives == std::map<std::int64_t, Tally>{{five_of(start), Tally{}}});
    CHECK(probe.messages.empty());
  }
}
