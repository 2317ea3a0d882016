// TLS to a real server: whom we trust, who we are, and that each bad day has its own words and ends at the deadline.
#include <doctest/doctest.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <csignal>
#include <optional>

#include "quota/store/redis_connection.hpp"
#include "tests/support/certificates.hpp"
#include "tests/support/redis_server.hpp"
#include "tests/support/rogue_server.hpp"

using namespace quota;
using namespace std::chrono_literals;

namespace {

using Clock = std::chrono::steady_clock;
using Pair = test::Certificates::Pair;
constexpr auto budget = 150ms;
constexpr auto plenty = 10s;
constexpr auto usual_names = "DNS:localhost,IP:127.0.0.1";

test::Certificates& authority() {
  static test::Certificates one;
  return one;
}

test::Certificates& foreign_authority() {
  static test::Certificates one("Authority of somebody else");
  return one;
}

std::vector<std::string> tls_lines(const Pair& own, const std::string& clients = "no") {
  return {"tls-cert-file " + own.cert, "tls-key-file " + own.key, "tls-ca-cert-file " + authority().ca(),
          "tls-auth-clients " + clients};
}

std::vector<std::string> with(std::vector<std::string> lines, const std::string& line) {
  lines.push_back(line);
  return lines;
}

std::shared_ptr<TlsContext> context(TlsFiles files = {.ca = authority().ca()}) {
  const auto opened = TlsContext::open(std::move(files));
  REQUIRE(opened.has_value());
  return *opened;
}

RedisTarget at(const test::RedisServer& server, const std::string& name, std::shared_ptr<TlsContext> tls) {
  RedisTarget target;
  target.endpoints = {boost::asio::ip::tcp::endpoint(boost::asio::ip::address_v4::loopback(), server.port())};
  target.tls = std::move(tls);
  target.tls_name = name;
  return target;
}

RedisConnection::Opened open(const RedisTarget& target, std::chrono::milliseconds time = plenty) {
  static boost::asio::io_context io;
  return RedisConnection::open(io, target, Clock::now() + time);
}

struct Seen {
  StoreError error;
  std::chrono::milliseconds took{};
};

// How opening fails.
Seen failure_of(const RedisTarget& target, std::chrono::milliseconds time = plenty) {
  const auto started = Clock::now();
  const auto connection = open(target, time);
  const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - started);
  REQUIRE(connection.has_error());
  CHECK(connection.error().executed == Executed::no);
  return {connection.error(), took};
}

RedisTarget at(const test::RogueServer& rogue) {
  RedisTarget target;
  target.endpoints = {boost::asio::local::stream_protocol::endpoint(rogue.path())};
  target.tls = context();
  target.tls_name = "localhost";
  return target;
}

constexpr auto tls_only = test::RedisServer::Listen::unix_and_tls;

}  // namespace

TEST_CASE("over TLS a server answers whom its certificate is for: a name, or an address of either family") {
  const auto own = authority().issue("DNS:*.example.test,DNS:localhost,IP:127.0.0.1,IP:fd00::1");
  for (const std::string version : {"TLSv1.2", "TLSv1.3"}) {
    test::RedisServer server(with(tls_lines(own), "tls-protocols " + version), tls_only);
    for (const auto* name : {"localhost", "LocalHost", "redis1.example.test", "127.0.0.1", "fd00::1", "fd00::1%eth0"}) {
      CAPTURE(version);
      CAPTURE(name);
      auto connection = open(at(server, name, context()));
      REQUIRE_MESSAGE(connection.has_value(), connection.error().text);
      CHECK((*connection)->ask(Command{"ECHO", "hello"}, Clock::now() + 1s)->text() == "hello");
      CHECK((*connection)->still_good());
    }
  }
}

TEST_CASE("a server with several names is told which one is wanted") {
  const auto own = authority().issue("DNS:localhost");
  test::RedisServer server(tls_lines(own), tls_only);
  // What a client sends first is not encrypted, and a rogue keeps it.
  std::string hello;
  {
    test::RogueServer rogue([&](test::RoguePeer& peer) { hello = peer.read_text(); });
    (void)failure_of(at(rogue));
  }
  CHECK(hello.find("localhost") != std::string::npos);
}

TEST_CASE("a certificate that is not to be trusted ends the connection at once, in words of its own") {
  const auto good = authority().issue(usual_names);
  struct {
    std::string_view what;
    Pair own;
    std::string name;
    std::string says;
  } const rows[] = {
      {"another name", good, "redis.example.test",
       "the server's certificate is for localhost, 127.0.0.1, not for redis.example.test"},
      {"another address", good, "127.0.0.2", "the server's certificate is for localhost, 127.0.0.1, not for 127.0.0.2"},
      {"a part of a name", authority().issue("DNS:r*.example.test"), "redis.example.test",
       "not for redis.example.test"},
      {"an address as a name", authority().issue("DNS:127.0.0.1"), "127.0.0.1", "not for 127.0.0.1"},
      {"only a common name", authority().issue(""), "localhost", "names no host (no subjectAltName)"},
      {"expired", authority().issue(usual_names, -1), "localhost", "the server's certificate expired at 20"},
      {"another authority", foreign_authority().issue(usual_names), "localhost",
       "issued by /CN=Authority of somebody else, whom store.tls_ca does not trust"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.what);
    test::RedisServer server(tls_lines(row.own), tls_only);
    const auto seen = failure_of(at(server, row.name, context()));
    CAPTURE(seen.error.text);
    CHECK(seen.error.kind == StoreErrorKind::misconfigured);
    CHECK(seen.error.text.find(row.says) != std::string::npos);
    CHECK(seen.took < plenty / 2);
  }
}

TEST_CASE("without a file of authorities the system's are trusted, and no other") {
  test::RedisServer server(tls_lines(authority().issue(usual_names)), tls_only);
  const auto seen = failure_of(at(server, "localhost", context({})));
  CHECK(seen.error.text.find("whom store.tls_ca does not trust") != std::string::npos);
}

TEST_CASE("a server that wants a certificate of ours gets it, or its refusal is told as what it is") {
  const auto own = authority().issue(usual_names);
  const auto ours = authority().issue("DNS:mail.example.test");
  const auto not_ours = foreign_authority().issue("DNS:mail.example.test");
  const auto expired = authority().issue("DNS:mail.example.test", -1);
  struct {
    TlsFiles files;
    std::string says;
  } const rows[] = {
      {{authority().ca(), ours.cert, ours.key}, ""},
      {{authority().ca(), "", ""}, "the server wants a certificate of ours; set store.tls_cert and store.tls_key"},
      {{authority().ca(), not_ours.cert, not_ours.key}, "the server does not accept the certificate of store.tls_cert"},
      {{authority().ca(), expired.cert, expired.key}, "the server does not accept the certificate of store.tls_cert"},
  };
  for (const std::string version : {"TLSv1.2", "TLSv1.3"}) {
    test::RedisServer server(with(tls_lines(own, "yes"), "tls-protocols " + version), tls_only);
    for (const auto& row : rows) {
      CAPTURE(version);
      CAPTURE(row.says);
      const auto target = at(server, "localhost", context(row.files));
      if (row.says.empty()) {
        CHECK(open(target).has_value());
        continue;
      }
      // The refusal may meet what we have already sent; it is heard all the same.
      for (int round = 0; round < 20; ++round) {
        const auto seen = failure_of(target);
        CAPTURE(seen.error.text);
        CHECK(seen.error.kind == StoreErrorKind::misconfigured);
        CHECK(seen.error.text.find(row.says) != std::string::npos);
        CHECK(seen.took < plenty / 2);
      }
    }
  }
}

TEST_CASE("a server that speaks nothing newer than TLS 1.1 is refused") {
  test::RogueServer rogue([](test::RoguePeer& peer) {
    peer.read();
    peer.write(std::string_view("\x15\x03\x01\x00\x02\x02\x46", 7));  // alert: protocol_version
    peer.hang();
  });
  const auto seen = failure_of(at(rogue));
  CHECK(seen.error.kind == StoreErrorKind::misconfigured);
  CHECK(seen.error.text.find("the server speaks no TLS 1.2 or newer") != std::string::npos);
}

TEST_CASE("a server without TLS is told from one that is broken, as far as it speaks") {
  SUBCASE("it answers in plain text") {
    test::RogueServer rogue([](test::RoguePeer& peer) {
      peer.read();
      peer.write("-ERR unknown command\r\n");
      peer.hang();
    });
    const auto seen = failure_of(at(rogue));
    CHECK(seen.error.kind == StoreErrorKind::misconfigured);
    CHECK(seen.error.text.find("the server speaks no TLS on this port") != std::string::npos);
    CHECK(seen.took < plenty / 2);
  }
  SUBCASE("it waits for the rest of a command, as Redis does") {
    test::RedisServer server({}, test::RedisServer::Listen::unix_and_tcp);
    const auto seen = failure_of(at(server, "localhost", context()), budget);
    CHECK(seen.error.kind == StoreErrorKind::timed_out);
    CHECK(seen.error.text.find("did not answer the TLS hello until the deadline") != std::string::npos);
  }
  SUBCASE("it closes the connection") {
    test::RogueServer rogue([](test::RoguePeer& peer) { peer.read(); });
    const auto seen = failure_of(at(rogue));
    CHECK(seen.error.kind == StoreErrorKind::unreachable);
    CHECK(seen.error.text.find("while TLS began: the server closed the connection") != std::string::npos);
  }
}

TEST_CASE("a server with TLS that is spoken to in plain text is told as what it may be") {
  test::RedisServer server(tls_lines(authority().issue(usual_names)), tls_only);
  const auto seen = failure_of(at(server, "", nullptr));
  CAPTURE(seen.error.text);
  CHECK(seen.error.kind == StoreErrorKind::closed);
  CHECK(seen.error.text.find("the store's address must begin with rediss") != std::string::npos);
}

TEST_CASE("a hello that is never answered, or only byte by byte, ends at the deadline") {
  const std::function<void(test::RoguePeer&)> rogues[] = {
      [](test::RoguePeer& peer) { peer.hang(); },
      [](test::RoguePeer& peer) {
        peer.write(std::string_view("\x16\x03\x03\x40\x00", 5));  // a record of 16 KiB follows
        while (peer.pause(20) && peer.write("\x02")) {
        }
      },
  };
  for (const auto& behaviour : rogues) {
    test::RogueServer rogue(behaviour);
    const auto seen = failure_of(at(rogue), budget);
    CHECK(seen.error.kind == StoreErrorKind::timed_out);
    CHECK(seen.error.text.find("did not answer the TLS hello until the deadline") != std::string::npos);
    CHECK(seen.took >= budget);
    CHECK(seen.took <= budget + 50ms);
  }
}

TEST_CASE("a question over TLS ends at the deadline, and may have been executed once it had left") {
  test::RedisServer server(tls_lines(authority().issue(usual_names)), tls_only);
  auto connection = open(at(server, "localhost", context()));
  REQUIRE(connection.has_value());
  server.stop();
  const auto started = Clock::now();
  const auto reply = (*connection)->ask(Command{"PING"}, started + budget);
  const auto took = Clock::now() - started;
  server.cont();
  REQUIRE(reply.has_error());
  CHECK(reply.error().kind == StoreErrorKind::timed_out);
  CHECK(reply.error().executed == Executed::possibly);
  CHECK(took >= budget);
  CHECK(took <= budget + 50ms);
  CHECK(!(*connection)->is_open());
}

TEST_CASE("a question over TLS that finds no room ends at the deadline too") {
  test::RedisServer server(tls_lines(authority().issue(usual_names)), tls_only);
  auto connection = open(at(server, "localhost", context()));
  REQUIRE(connection.has_value());
  server.stop();
  const std::string big(16 << 20, 'x');
  const auto started = Clock::now();
  const auto reply = (*connection)->ask(Command{"ECHO", big}, started + budget);
  const auto took = Clock::now() - started;
  server.cont();
  REQUIRE(reply.has_error());
  CHECK(reply.error().kind == StoreErrorKind::timed_out);
  CHECK(reply.error().executed == Executed::possibly);
  CHECK(took <= budget + 150ms);  // copying 16 MiB takes its time as well
}

TEST_CASE("questions and answers of many records arrive whole and in order") {
  test::RedisServer server(tls_lines(authority().issue(usual_names)), tls_only);
  auto connection = open(at(server, "localhost", context()));
  REQUIRE(connection.has_value());
  std::string big;
  for (int i = 0; big.size() < (8 << 20); ++i) big += std::to_string(i);
  const auto reply = (*connection)->ask(Command{"ECHO", big}, Clock::now() + 20s, {.bytes = 64 << 20, .elements = 1});
  REQUIRE(reply.has_value());
  CHECK(*reply->text() == big);

  std::vector<std::string> numbers;
  for (int i = 0; i < 5000; ++i) numbers.push_back(std::to_string(i));
  std::vector<Command> commands;
  for (const auto& number : numbers) commands.push_back({"ECHO", number});
  const auto replies = (*connection)->ask_all(commands, Clock::now() + 20s);
  REQUIRE(replies.has_value());
  for (std::size_t i = 0; i < numbers.size(); ++i) REQUIRE((*replies)[i].text() == numbers[i]);
  CHECK((*connection)->still_good());
}

TEST_CASE("a server that goes away raises no signal, and an idle connection knows that it is gone") {
  ::signal(SIGPIPE, SIG_DFL);
  test::RedisServer server(tls_lines(authority().issue(usual_names)), tls_only);
  for (int round = 0; round < 5; ++round) {
    auto kept = open(at(server, "localhost", context()));
    auto used = open(at(server, "localhost", context()));
    REQUIRE(used.has_value());
    server.kill();
    CHECK(!(*kept)->still_good());
    const auto reply = (*used)->ask(Command{"ECHO", std::string(1 << 20, 'x')}, Clock::now() + 1s);
    REQUIRE(reply.has_error());
    CHECK(reply.error().kind == StoreErrorKind::closed);
    server.restart();
  }
}

TEST_CASE("a subscription over TLS is told, woken and ended") {
  test::RedisServer server(tls_lines(authority().issue(usual_names)), tls_only);
  auto connection = open(at(server, "localhost", context()));
  REQUIRE(connection.has_value());
  REQUIRE((*connection)->ask(Command{"SUBSCRIBE", "news"}, Clock::now() + 1s).has_value());
  Waker waker;
  CHECK(!(*connection)->next_message(Clock::now() + 20ms, waker)->has_value());
  // Several in one go: TLS may take them off the socket together.
  server.ask("EVAL \"for i=1,100 do redis.call('PUBLISH','news',i) end\" 0");
  for (int i = 1; i <= 100; ++i) {
    const auto message = (*connection)->next_message(Clock::now() + 5s, waker);
    REQUIRE((message && *message));
    CHECK((**message)[2].text() == std::to_string(i));
  }
  waker.wake();
  const auto woken = (*connection)->next_message(Clock::now() + 5s, waker);
  CHECK((woken && !*woken));
  waker.clear();
  server.kill();
  CHECK((*connection)->next_message(Clock::now() + 5s, waker).error().kind == StoreErrorKind::closed);
}
