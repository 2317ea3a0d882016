// What a connection does with a peer that is no Redis server, or a broken one.
#include <doctest/doctest.h>

#include <boost/asio/local/stream_protocol.hpp>
#include <fstream>
#include <optional>
#include <string>

#include "quota/store/redis_connection.hpp"
#include "tests/support/rogue_server.hpp"

using namespace quota;
using namespace std::chrono_literals;

namespace {

using Clock = std::chrono::steady_clock;
constexpr auto budget = 150ms;

struct Seen {
  StoreError error;
  std::chrono::milliseconds took{};
  bool open = true;
};

// Answers the login as it should be, then as `answer` does.
Seen ask_rogue(const std::function<void(test::RoguePeer&)>& answer, const ReplyLimits& limits = {}) {
  test::RogueServer server([&](test::RoguePeer& peer) {
    if (peer.read() && peer.write("+OK\r\n") && peer.read()) answer(peer);
  });
  boost::asio::io_context io;
  const RedisTarget target{{boost::asio::local::stream_protocol::endpoint(server.path())}};
  auto connection = RedisConnection::open(io, target, Clock::now() + 2s);
  REQUIRE(connection.has_value());
  const auto started = Clock::now();
  const auto reply = (*connection)->ask(Command{"PING"}, started + budget, limits);
  const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - started);
  REQUIRE(reply.has_error());
  return {reply.error(), took, (*connection)->is_open()};
}

std::size_t memory_pages() {
  std::size_t all = 0;
  std::size_t resident = 0;
  std::ifstream("/proc/self/statm") >> all >> resident;
  return resident;
}

}  // namespace

TEST_CASE("a reply that trickles in does not outlast the deadline") {
  const auto seen = ask_rogue([](test::RoguePeer& peer) {
    peer.write("$1000\r\n");
    while (peer.pause(30) && peer.write("x")) {
    }
  });
  CHECK(seen.error.kind == StoreErrorKind::timed_out);
  CHECK(seen.error.executed == Executed::possibly);
  CHECK(seen.took >= budget);
  CHECK(seen.took <= budget + 50ms);
  CHECK(!seen.open);
}

TEST_CASE("a flood that never ends does not outlast the deadline or the bound on memory") {
  const auto before = memory_pages();
  const auto seen = ask_rogue([](test::RoguePeer& peer) {
    const std::string junk(65536, 'x');
    peer.write("+");
    while (peer.write(junk)) {
    }
  });
  // Which of the two it meets first depends on the machine.
  CHECK((seen.error.kind == StoreErrorKind::nonsense || seen.error.kind == StoreErrorKind::timed_out));
  CHECK(seen.took <= budget + 50ms);
  CHECK(!seen.open);
  CHECK(memory_pages() < before + 8 * 256);
}

TEST_CASE("a peer that always has another byte ready does not outlast the deadline") {
  const auto seen = ask_rogue(
      [](test::RoguePeer& peer) {
        const std::string junk(65536, 'x');
        peer.write("$4000000000\r\n");
        while (peer.write(junk)) {
        }
      },
      {.bytes = 4'000'000'000, .elements = 1});
  CHECK(seen.error.kind == StoreErrorKind::timed_out);
  CHECK(seen.took <= budget + 100ms);  // what came until then is freed as well
}

TEST_CASE("what is no acceptable reply ends the connection at once") {
  std::string nested;
  for (int depth = 0; depth < 100; ++depth) nested += "*1\r\n";
  const std::string replies[] = {
      "*2147483647\r\n",         "$4294967296\r\n",     nested,
      "HTTP/1.0 200 OK\r\n\r\n", std::string(64, '\0'), ":12x\r\n",
      "$3\r\nabcdef\r\n",        "+OK\r\n+OK\r\n",      "\x16\x03\x01",
  };
  for (const auto& reply : replies) {
    CAPTURE(reply);
    const auto before = memory_pages();
    const auto seen = ask_rogue([&](test::RoguePeer& peer) {
      peer.write(reply);
      peer.hang();
    });
    CHECK(seen.error.kind == StoreErrorKind::nonsense);
    CHECK(seen.error.executed == Executed::possibly);
    CHECK(seen.took < budget);
    CHECK(!seen.open);
    CHECK(memory_pages() < before + 4 * 256);  // it may have fallen
  }
}

TEST_CASE("a connection that closes in the middle of a reply leaves open whether the question was executed") {
  for (const std::string_view part : {"", "$100\r\nabc", "*2\r\n:1\r\n", "+O"}) {
    CAPTURE(part);
    const auto seen = ask_rogue([&](test::RoguePeer& peer) {
      if (!part.empty()) peer.write(part);
    });
    CHECK(seen.error.kind == StoreErrorKind::closed);
    CHECK(seen.error.executed == Executed::possibly);
    CHECK(seen.took < budget);
  }
}

TEST_CASE("a server that says something unasked is not trusted with a question") {
  test::RogueServer server([&](test::RoguePeer& peer) {
    if (peer.read() && peer.write("+OK\r\n") && peer.read() && peer.write(":1\r\n") && peer.pause(1) &&
        peer.write(":2\r\n"))
      peer.hang();
  });
  boost::asio::io_context io;
  auto connection =
      RedisConnection::open(io, {{boost::asio::local::stream_protocol::endpoint(server.path())}}, Clock::now() + 2s);
  REQUIRE(connection.has_value());
  CHECK((*connection)->still_good());
  REQUIRE((*connection)->ask(Command{"PING"}, Clock::now() + 1s).has_value());
  Waker never;
  const auto end = Clock::now() + 2s;
  while ((*connection)->still_good() && Clock::now() < end) {
  }
  CHECK(!(*connection)->still_good());
}

TEST_CASE("a server that turns a client away is quoted, though it closed before it was asked") {
  std::optional<test::RogueServer> server(std::in_place, [](test::RoguePeer& peer) {
    if (!peer.read() || !peer.write("+OK\r\n")) return;
    peer.hang();
    peer.write("-ERR max number of clients reached\r\n");
  });
  boost::asio::io_context io;
  auto connection =
      RedisConnection::open(io, {{boost::asio::local::stream_protocol::endpoint(server->path())}}, Clock::now() + 2s);
  REQUIRE(connection.has_value());
  server.reset();
  const auto answer = (*connection)->ask(Command{"PING"}, Clock::now() + 1s);
  REQUIRE(answer.has_error());
  CHECK(answer.error().kind == StoreErrorKind::refused);
  CHECK(answer.error().executed == Executed::no);
  CHECK(answer.error().text.find("max number of clients") != std::string::npos);
}

TEST_CASE("a peer that takes the connection and says nothing fails the login at its deadline") {
  test::RogueServer server([](test::RoguePeer& peer) {
    while (peer.read()) {
    }
  });
  boost::asio::io_context io;
  const auto started = Clock::now();
  auto connection =
      RedisConnection::open(io, {{boost::asio::local::stream_protocol::endpoint(server.path())}}, started + budget);
  REQUIRE(connection.has_error());
  CHECK(connection.error().kind == StoreErrorKind::timed_out);
  CHECK(connection.error().executed == Executed::no);
  CHECK(Clock::now() - started <= budget + 50ms);
}
