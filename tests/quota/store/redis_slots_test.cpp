#include "quota/store/redis_slots.hpp"

#include <doctest/doctest.h>

#include <random>

#include "tests/support/redis_server.hpp"

using namespace quota;

TEST_CASE("a key's slot is that of the specification, with and without a hash tag") {
  struct {
    const char* key;
    unsigned want;
  } const rows[] = {
      {"", 0},
      {"123456789", 0x31c3 % 16'384},  // the check value of the specification's CRC16
      {"{user1000}.following", slot_of("user1000")},
      {"{user1000}.followers", slot_of("user1000")},
      {"foo{bar}{zap}", slot_of("bar")},
      {"foo{{bar}}zap", slot_of("{bar")},
  };
  for (const auto& row : rows) {
    CAPTURE(row.key);
    CHECK(slot_of(row.key) == row.want);
  }
  CHECK(slot_of("foo{}{bar}") != slot_of("bar"));  // an empty tag is none
  CHECK(slot_of("foo{bar") != slot_of("bar"));
}

TEST_CASE("a key's slot is what a real node says") {
  const test::RedisServer server({"cluster-enabled yes"}, test::RedisServer::Listen::unix_and_tcp);
  std::mt19937 random(1);
  constexpr std::string_view letters = "ab{}:.@-0123456789";
  for (int i = 0; i < 300; ++i) {
    std::string key = "sendquota:";
    for (auto length = random() % 20; length > 0; --length) key += letters[random() % letters.size()];
    CAPTURE(key);
    CHECK(server.ask("CLUSTER KEYSLOT " + key) == ":" + std::to_string(slot_of(key)) + "\r\n");
  }
}
