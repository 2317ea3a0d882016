#include "tests/quota/store/shelf_contract.hpp"

#include "quota/store/memory_archive.hpp"
#include "tests/quota/store/redis_archive_fixture.hpp"
#include "tests/support/manual_clock.hpp"

namespace quota::test {
namespace {

class MemoryArchiveFixture {
 public:
  Archive& archive(const HistoryBounds& bounds) {
    if (!archive_) archive_.emplace(clock_, bounds);
    return *archive_;
  }
  void set_now(Timestamp now) { clock_.set(now); }

 private:
  ManualClock clock_{start};
  std::optional<MemoryArchive> archive_{};
};

}  // namespace

ARCHIVE_CONTRACT(MemoryArchiveFixture);
SHELF_CONTRACT(MemoryArchiveFixture);
using OneServerArchive = RedisArchiveFixture<RedisFixture>;
ARCHIVE_CONTRACT(OneServerArchive);
SHELF_CONTRACT(OneServerArchive);

TEST_CASE("where there is no room in memory, the sender that was seen least lately is forgotten") {
  ManualClock clock{start};
  MemoryArchive archive(clock, {}, {.identities = 2});
  write(archive, {note_of(sender(1), start, Fate::sent, 1), note_of(sender(2), start, Fate::sent, 1)});
  write(archive, {note_of(sender(1), start, Fate::sent, 1)});
  write(archive, {note_of(sender(3), start, Fate::sent, 1)});
  CHECK(read(archive, sender(1)).history.first.has_value());
  CHECK_FALSE(read(archive, sender(2)).history.first.has_value());
  CHECK(read(archive, sender(3)).history.first.has_value());
}

TEST_CASE("what is kept in memory is bounded by its bytes as well, and forgotten when it is old") {
  ManualClock clock{start};
  MemoryArchive archive(clock, {.hours_for = std::chrono::days{2}}, {.bytes = 100'000});
  for (int who = 0; who < 20; ++who) {
    auto note = note_of(sender(who), start, Fate::sent, 1);
    note.messages.assign(100, {.at = start, .mail_from = std::string(100, 'x')});
    write(archive, {note});
  }
  CHECK_FALSE(read(archive, sender(0)).history.first.has_value());
  CHECK(read(archive, sender(19)).messages.size() == 100);
  clock.set(start + std::chrono::days{3});
  write(archive, {note_of(sender(1), start + std::chrono::days{3}, Fate::sent, 1)});
  clock.set(start);  // so that it would be shown, if it were there
  CHECK_FALSE(read(archive, sender(19)).history.first.has_value());
}

TEST_CASE("after the time for a write nothing more is begun, and what is left counts as lost") {
  OneServerArchive fixture;
  auto& archive = fixture.archive({});
  const std::vector<Note> notes(40, note_of(sender(1), start, Fate::sent, 1));
  const auto unwritten = archive.write(notes, std::chrono::steady_clock::now());
  REQUIRE(unwritten.has_value());
  CHECK(unwritten->notes == 40);
  CHECK(unwritten->why.text == "the store takes less than there is to write");
  CHECK_FALSE(read(archive, sender(1)).history.first.has_value());
}

TEST_CASE("of what several daemons say of one sender and hour the greater counts, whoever comes last") {
  OneServerArchive fixture;
  auto& archive = fixture.archive({});
  const auto hour = five_of(start) / fives_of_hour;
  write(archive, {note_of(sender(1), start, Fate::sent, 1)});
  RedisFixture::server().ask("ZADD sendquota:top:user:messages:" + std::to_string(hour) + " 70 user:u1@example.com");
  write(archive, {note_of(sender(1), start, Fate::sent, 1)});
  CHECK(top(archive, {Kind::user, Measure::messages, hour, hour, 10}) == std::vector<Ranked>{{"user:u1@example.com", 70}});
}

TEST_CASE("words in a history that nobody understands are passed over, and what follows is counted") {
  OneServerArchive fixture;
  auto& archive = fixture.archive({});
  write(archive, {note_of(sender(1), start, Fate::sent, 1)});
  const auto hour = five_of(start) / fives_of_hour;
  for (const auto* const damaged : {"a1", "nonsense", "99999999999999999999 a1", "-1 a1", "1e99 a1", "0x10 a1", "a1 b2 12 z9"}) {
    CAPTURE(damaged);
    for (const auto* const field : {"hours", "fives"})
      RedisFixture::server().ask("HSET sendquota:history:{user:u1@example.com} " + std::string(field) + " \"" + damaged + "\"");
    write(archive, {note_of(sender(1), start, Fate::sent, 1)});
    CHECK(read(archive, sender(1)).history.hours.at(hour).messages[0] == 1);
  }
}

TEST_CASE("everything that an archive writes to redis expires by itself") {
  OneServerArchive fixture;
  auto& archive = fixture.archive({});
  auto note = note_of(sender(1), start, Fate::sent, 1, {{"192.0.2.0/24", start, 1}});
  note.messages.push_back({.at = start});
  write(archive, {note});
  const auto keys = RedisFixture::server().ask("KEYS *");
  CHECK(keys.find("sendquota:history:{user:u1@example.com}") != std::string::npos);
  for (const auto& key : std::vector<std::string>{"sendquota:history:{user:u1@example.com}", "sendquota:messages:{user:u1@example.com}",
                                "sendquota:top:user:messages:" + std::to_string(five_of(start) / fives_of_hour)}) {
    CAPTURE(key);
    CHECK(std::stoll(RedisFixture::server().ask("PTTL " + key).substr(1)) > 3'000'000);
  }
}

TEST_CASE("of an archive that has no answer it is told how many notes are lost") {
  ::test::RedisServer server;
  Resolver resolver;
  RedisTopology topology{*RedisAddress::parse(server.unix_url()), resolver, {.timeout = 10s}};
  REQUIRE(topology.wait_for_first_look(std::chrono::steady_clock::now() + 10s));
  RedisContext context{topology, {"sendquota", 10s}};
  RedisArchive archive{context, {}};
  server.stop();
  std::vector<Note> notes;
  for (int who = 0; who < 50; ++who) notes.push_back(note_of(sender(who), start, Fate::sent, 1));
  const auto unwritten = archive.write(notes, std::chrono::steady_clock::now() + 10s);
  REQUIRE(unwritten.has_value());
  CHECK(unwritten->notes == 50);
  CHECK_FALSE(archive.read(sender(1)).has_value());
  const auto hour = five_of(context.now()) / fives_of_hour;
  CHECK_FALSE(archive.top({.first_hour = hour, .last_hour = hour}).has_value());
}

}  // namespace quota::test
