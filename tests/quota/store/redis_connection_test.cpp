#include "quota/store/redis_connection.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <filesystem>
#include <thread>

#include "tests/support/redis_server.hpp"

using namespace quota;
using namespace std::chrono_literals;

namespace {

using Clock = std::chrono::steady_clock;

Deadline in(std::chrono::milliseconds time) { return Clock::now() + time; }

RedisTarget at(const test::RedisServer& server, RedisLogin login = {}) {
  return {{boost::asio::local::stream_protocol::endpoint(server.socket_path())}, std::move(login)};
}

RedisConnection::Opened open(const RedisTarget& target, std::chrono::milliseconds time = 2s) {
  static boost::asio::io_context io;
  return RedisConnection::open(io, target, in(time));
}

std::string text_of(const Result<RedisReply, StoreError>& reply) {
  if (!reply) return "error: " + reply.error().text;
  if (const auto error = reply->error()) return "-" + std::string(error->text);
  return std::string(reply->text().value_or("?"));
}

std::string say(RedisConnection& connection, const Command& command) {
  return text_of(connection.ask(command, in(2s)));
}

}  // namespace

TEST_CASE("a connection logs in as a user, chooses its database and gives its name") {
  test::RedisServer server({"user default off", "user alice on >pa:ss@%/ ~* &* +@all"},
                           test::RedisServer::Listen::unix_and_tcp);
  auto target = at(server, {.user = "alice", .password = "pa:ss@%/", .database = 7});
  SUBCASE("on a unix socket") {}
  SUBCASE("by TCP") {
    target.endpoints = {boost::asio::ip::tcp::endpoint(boost::asio::ip::address_v4::loopback(), server.port())};
  }
  auto connection = open(target);
  REQUIRE(connection.has_value());
  CHECK(say(**connection, {"ACL", "WHOAMI"}) == "alice");
  const auto info = say(**connection, {"CLIENT", "INFO"});
  CHECK(info.find(" db=7 ") != info.npos);
  CHECK(info.find(" name=sendquota ") != info.npos);
}

TEST_CASE("a login that the server refuses is a misconfiguration, told without the password") {
  struct {
    std::vector<std::string> config;
    RedisLogin login;
    std::string_view says;
  } const rows[] = {
      {{"requirepass right"}, {.user = "", .password = "hunter2"}, "WRONGPASS"},
      {{"requirepass right"}, {}, "NOAUTH"},
      {{}, {.user = "", .password = "hunter2"}, "without any password configured"},
      {{}, {.user = "bob", .password = "hunter2"}, "WRONGPASS"},
      {{"rename-command AUTH \"\""}, {.user = "bob", .password = "hunter2"}, "does not accept AUTH"},
      {{"rename-command AUTH \"\""}, {.user = "bob", .password = "hunter2" + std::string(200, 'x')}, "does not accept AUTH"},
      {{"databases 4"}, {.user = "", .password = "", .database = 4}, "DB index is out of range"},
  };
  for (const auto& row : rows) {
    test::RedisServer server(row.config);
    const auto connection = open(at(server, row.login));
    REQUIRE(connection.has_error());
    CAPTURE(connection.error().text);
    CHECK(connection.error().kind == StoreErrorKind::misconfigured);
    CHECK(connection.error().executed == Executed::no);
    CHECK(connection.error().text.find(row.says) != std::string::npos);
    CHECK(connection.error().text.find("hunter2") == std::string::npos);
  }
}

TEST_CASE("a strict ACL need not allow the client's name") {
  test::RedisServer server({"user default on nopass ~* -@all +ping"});
  auto connection = open(at(server));
  REQUIRE(connection.has_value());
  CHECK(say(**connection, {"PING"}) == "PONG");
  CHECK(say(**connection, {"GET", "x"}).starts_with("-NOPERM"));
}

TEST_CASE("a server with too many clients refuses, and says so") {
  test::RedisServer server({"maxclients 1"}, test::RedisServer::Listen::unix_and_tcp);
  auto first = open(at(server));
  REQUIRE(first.has_value());
  auto target = at(server);
  SUBCASE("on a unix socket") {}
  SUBCASE("by TCP") {
    target.endpoints = {boost::asio::ip::tcp::endpoint(boost::asio::ip::address_v4::loopback(), server.port())};
  }
  const auto second = open(target);
  REQUIRE(second.has_error());
  CAPTURE(second.error().text);
  CHECK(second.error().kind == StoreErrorKind::refused);
  CHECK(second.error().executed == Executed::no);
}

TEST_CASE("questions in one write are answered in their order, each for itself") {
  test::RedisServer server;
  auto connection = open(at(server));
  REQUIRE(connection.has_value());
  std::vector<std::string> numbers;
  for (int i = 0; i < 1000; ++i) numbers.push_back(std::to_string(i));
  std::vector<Command> commands;
  for (const auto& number : numbers) commands.push_back({"ECHO", number});
  commands[500] = {"NONSENSE"};
  const auto replies = (*connection)->ask_all(commands, in(5s));
  REQUIRE(replies.has_value());
  REQUIRE(replies->size() == 1000);
  for (std::size_t i = 0; i < 1000; ++i)
    if (i != 500) CHECK((*replies)[i].text() == numbers[i]);
  CHECK((*replies)[500].error().has_value());
  CHECK((*connection)->ask_all({}, in(1s))->empty());
}

TEST_CASE("a reply past the default bounds is refused, and accepted where more is allowed") {
  test::RedisServer server;
  const std::string big(2 << 20, 'x');
  auto connection = open(at(server));
  REQUIRE(connection.has_value());
  REQUIRE(say(**connection, {"SET", "big", big}) == "OK");
  const Command get{"GET", "big"};
  const auto whole = (*connection)->ask(get, in(5s), {.bytes = 4 << 20, .elements = 1});
  REQUIRE(whole.has_value());
  CHECK(whole->text() == big);
  const auto refused = (*connection)->ask(get, in(5s));
  REQUIRE(refused.has_error());
  CHECK(refused.error().kind == StoreErrorKind::nonsense);
  CHECK(!(*connection)->is_open());
}

TEST_CASE("a stopped server costs no more than the deadline, and the connection is not used again") {
  test::RedisServer server;
  auto connection = open(at(server));
  REQUIRE(connection.has_value());
  server.stop();
  const auto started = Clock::now();
  const auto answer = (*connection)->ask(Command{"INCR", "n"}, in(150ms));
  const auto took = Clock::now() - started;
  REQUIRE(answer.has_error());
  CHECK(answer.error().kind == StoreErrorKind::timed_out);
  CHECK(answer.error().executed == Executed::possibly);
  CHECK(took >= 150ms);
  CHECK(took <= 200ms);
  CHECK(!(*connection)->is_open());
  CHECK(say(**connection, {"PING"}).starts_with("error: "));
  // The kernel still takes connections for it; only the login tells.
  const auto began = Clock::now();
  const auto another = open(at(server), 100ms);
  REQUIRE(another.has_error());
  CHECK(another.error().kind == StoreErrorKind::timed_out);
  CHECK(another.error().executed == Executed::no);
  CHECK(Clock::now() - began <= 150ms);
  server.cont();
}

TEST_CASE("a deadline that has passed already asks nothing and leaves the connection as it was") {
  test::RedisServer server;
  auto connection = open(at(server));
  REQUIRE(connection.has_value());
  const auto answer = (*connection)->ask(Command{"INCR", "n"}, in(-1ms));
  REQUIRE(answer.has_error());
  CHECK(answer.error().kind == StoreErrorKind::timed_out);
  CHECK(answer.error().executed == Executed::no);
  CHECK((*connection)->still_good());
  CHECK((*connection)->ask(Command{"INCR", "n"}, in(1s))->integer() == 1);
}

TEST_CASE("a server that is killed during a question leaves it open whether it was executed") {
  test::RedisServer server;
  auto connection = open(at(server));
  REQUIRE(connection.has_value());
  server.stop();
  std::thread killer([&] { server.kill(); });
  const auto answer = (*connection)->ask(Command{"INCR", "n"}, in(5s));
  killer.join();
  REQUIRE(answer.has_error());
  CHECK(answer.error().kind == StoreErrorKind::closed);
  CHECK(!(*connection)->is_open());
  CHECK(!(*connection)->still_good());
}

TEST_CASE("a question larger than the socket's buffers ends at its deadline when nobody reads it") {
  test::RedisServer server;
  auto connection = open(at(server));
  REQUIRE(connection.has_value());
  server.stop();
  const std::string big(1 << 20, 'x');
  const auto started = Clock::now();
  const auto answer = (*connection)->ask(Command{"SET", "k", big}, in(100ms));
  CHECK(Clock::now() - started <= 150ms);
  REQUIRE(answer.has_error());
  CHECK(answer.error().executed == Executed::possibly);
  CHECK(!(*connection)->is_open());
}

TEST_CASE("all addresses of a server are tried, each with its share of the time") {
  test::RedisServer server({}, test::RedisServer::Listen::unix_and_tcp);
  using boost::asio::ip::make_address;
  const auto good = boost::asio::ip::tcp::endpoint(make_address("127.0.0.1"), server.port());
  auto target = at(server);
  target.endpoints = {boost::asio::ip::tcp::endpoint(make_address("::1"), 1),
                      boost::asio::ip::tcp::endpoint(make_address("127.0.0.2"), 1), good};
  auto connection = open(target);
  REQUIRE(connection.has_value());
  CHECK((*connection)->endpoint() == Endpoint(good));
  target.endpoints.pop_back();
  const auto none = open(target);
  REQUIRE(none.has_error());
  CHECK(none.error().kind == StoreErrorKind::unreachable);
  CHECK(none.error().text.find("127.0.0.2 port 1") != std::string::npos);
  target.endpoints.clear();
  CHECK(open(target).error().kind == StoreErrorKind::unreachable);
}

TEST_CASE("an address that swallows everything costs only its share of the time") {
  test::RedisServer server({}, test::RedisServer::Listen::unix_and_tcp);
  // A listener whose queue is full: the kernel drops whoever else comes, as a firewall does.
  using Tcp = boost::asio::ip::tcp;
  boost::asio::io_context io;
  Tcp::acceptor full(io, Tcp::endpoint(boost::asio::ip::address_v4::loopback(), 0));
  full.listen(0);
  std::vector<Tcp::socket> queue;
  for (int i = 0; i < 4; ++i) {
    queue.emplace_back(io, Tcp::v4());
    queue.back().native_non_blocking(true);
    const auto to = full.local_endpoint();
    ::connect(queue.back().native_handle(), to.data(), static_cast<socklen_t>(to.size()));
  }
  auto target = at(server);
  target.endpoints = {full.local_endpoint(), Tcp::endpoint(boost::asio::ip::address_v4::loopback(), server.port())};
  const auto started = Clock::now();
  CHECK(open(target, 400ms).has_value());
  CHECK(Clock::now() - started >= 200ms);
}

TEST_CASE("a subscribed connection waits for messages until one comes, the deadline passes, or somebody wakes it") {
  test::RedisServer server;
  auto connection = open(at(server));
  REQUIRE(connection.has_value());
  REQUIRE((*connection)->ask(Command{"SUBSCRIBE", "news"}, in(1s)).has_value());
  Waker waker;

  auto nothing = (*connection)->next_message(in(30ms), waker);
  REQUIRE(nothing.has_value());
  CHECK(!nothing->has_value());

  // Two messages at once are handed out one by one.
  auto speaker = open(at(server));
  REQUIRE(speaker.has_value());
  REQUIRE((*speaker)
              ->ask_all(std::vector<Command>{{"PUBLISH", "news", "one"}, {"PUBLISH", "news", "two"}}, in(1s))
              .has_value());
  for (const auto* want : {"one", "two"}) {
    auto message = (*connection)->next_message(in(1s), waker);
    REQUIRE(message.has_value());
    REQUIRE(message->has_value());
    CHECK((**message)[2].text() == want);
  }

  std::thread other([&] { waker.wake(); });
  const auto started = Clock::now();
  auto woken = (*connection)->next_message(in(10s), waker);
  other.join();
  CHECK(Clock::now() - started < 5s);
  REQUIRE(woken.has_value());
  CHECK(!woken->has_value());
  waker.clear();

  server.kill();
  const auto ended = (*connection)->next_message(in(10s), waker);
  REQUIRE(ended.has_error());
  CHECK(ended.error().kind == StoreErrorKind::closed);
}

TEST_CASE("a connection's socket is not inherited by programs that are started") {
  test::RedisServer server;
  auto connection = open(at(server));
  REQUIRE(connection.has_value());
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    const auto what = std::filesystem::read_symlink(entry.path(), gone).string();
    if (what.starts_with("socket:")) CHECK((::fcntl(std::stoi(entry.path().filename()), F_GETFD) & FD_CLOEXEC) != 0);
  }
}
