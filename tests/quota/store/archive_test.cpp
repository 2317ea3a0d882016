#include "tests/quota/store/archive_contract.hpp"

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
using OneServerArchive = RedisArchiveFixture<RedisFixture>;
ARCHIVE_CONTRACT(OneServerArchive);

TEST_CASE("where there is no room in memory, the sender that was seen least lately is forgotten") {
  ManualClock clock{start};
  MemoryArchive archive(clock, {}, 2);
  write(archive, {note_of(sender(1), start, Fate::sent, 1), note_of(sender(2), start, Fate::sent, 1)});
  write(archive, {note_of(sender(1), start, Fate::sent, 1)});
  write(archive, {note_of(sender(3), start, Fate::sent, 1)});
  CHECK(read(archive, sender(1)).history.first.has_value());
  CHECK_FALSE(read(archive, sender(2)).history.first.has_value());
  CHECK(read(archive, sender(3)).history.first.has_value());
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
  const auto unwritten = archive.write(notes);
  REQUIRE(unwritten.has_value());
  CHECK(unwritten->notes == 50);
  CHECK_FALSE(archive.read(sender(1)).has_value());
  CHECK_FALSE(archive.top({}).has_value());
}

}  // namespace quota::test
