#include "milter/admin/listener.hpp"

#include <doctest/doctest.h>

#include <sys/syscall.h>

#include <atomic>
#include <future>
#include <latch>
#include <stdexcept>
#include <thread>

#include "tests/milter/admin/raw_client.hpp"
#include "tests/milter/admin/temporary_directory.hpp"

using namespace milter::admin;
using namespace std::chrono_literals;
using test::RawClient;

namespace {

Response echo(const RawRequest& raw) {
  Response response;
  response.body = {{"method", raw.method},  {"target", raw.target},  {"size", raw.body.size()},
                   {"uid", raw.caller.uid}, {"pid", raw.caller.pid}, {"user", raw.caller.user}};
  return response;
}

void no_trouble(std::string_view) {}

struct Endpoint {
  test::TemporaryDirectory directory;
  std::string path = directory / "admin.sock";
  std::unique_ptr<Listener> listener;

  explicit Endpoint(ListenerSettings settings = {}, Service service = echo, TroubleSink trouble = no_trouble) {
    settings.socket.path = path;
    auto started = Listener::start(settings, std::move(service), std::move(trouble));
    REQUIRE(started.has_value());
    listener = std::move(*started);
  }
};

std::string get(const std::string& target) { return "GET " + target + " HTTP/1.1\r\nHost: x\r\n\r\n"; }

std::string post(std::size_t size, const std::string& connection = "keep-alive") {
  return "POST /x HTTP/1.1\r\nHost: x\r\nConnection: " + connection + "\r\nContent-Length: " + std::to_string(size) +
         "\r\n\r\n" + std::string(size, 'b');
}

/// A client whom the kernel knows as `uid`. Requires: root.
std::unique_ptr<RawClient> client_of(uid_t uid, const std::string& path) {
  std::unique_ptr<RawClient> client;
  std::thread([&] {
    ::syscall(SYS_setresuid, -1, uid, -1);  // of this thread alone, which ends as that
    client = std::make_unique<RawClient>(path);
  }).join();
  return client;
}

bool has(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("a caller is answered in JSON and known by what the kernel says of it") {
  Endpoint endpoint;
  RawClient client(endpoint.path);
  REQUIRE(client.send(get("/v1/status?a=b%20c")));
  const auto answer = client.read_until("}\n");
  CHECK(has(answer, "HTTP/1.1 200 OK\r\n"));
  CHECK(has(answer, "Content-Type: application/json\r\n"));
  CHECK(has(answer, R"("target":"/v1/status?a=b%20c")"));
  CHECK(has(answer, "\"uid\":" + std::to_string(::getuid())));
  CHECK(has(answer, "\"pid\":" + std::to_string(::getpid())));
  if (::getuid() == 0) CHECK(has(answer, R"("user":"root")"));
}

TEST_CASE("one connection carries several requests, also when they come at once") {
  Endpoint endpoint;
  RawClient client(endpoint.path);
  client.send(post(10));
  CHECK(has(client.read_until("}\n"), R"("size":10)"));
  client.send(post(20));
  CHECK(has(client.read_until("}\n"), R"("size":20)"));
  client.send(get("/first") + get("/second") + post(3, "close"));
  const auto rest = client.read_to_end();
  CHECK(has(rest, "/first"));
  CHECK(has(rest, "/second"));
  CHECK(has(rest, R"("size":3)"));
}

TEST_CASE("a request in single bytes is a request") {
  Endpoint endpoint;
  RawClient client(endpoint.path);
  for (const char byte : post(5)) REQUIRE(client.send(std::string_view(&byte, 1)));
  CHECK(has(client.read_until("}\n"), R"("size":5)"));
}

TEST_CASE("what is too large or no HTTP is refused, the connection ended, and the next caller served") {
  const std::string long_header = "GET / HTTP/1.1\r\nX: " + std::string(9000, 'h') + "\r\n\r\n";
  const std::string chunk = "10000\r\n" + std::string(65536, 'c') + "\r\n";
  struct {
    std::string what, bytes, want;
  } const cases[] = {
      {"the largest body", post(max_body_bytes, "close"), "HTTP/1.1 200 OK"},
      {"one byte more", post(max_body_bytes + 1), "HTTP/1.1 413 "},
      {"far more than the kernel buffers", post(8'000'000), "HTTP/1.1 413 "},
      {"a length that is only claimed", "POST / HTTP/1.1\r\nContent-Length: 18446744073709551615\r\n\r\n",
       "HTTP/1.1 413 "},
      {"too large in pieces", "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk + chunk, "HTTP/1.1 413 "},
      {"a long header", long_header, "HTTP/1.1 431 "},
      {"a header without end", "GET / HTTP/1.1\r\n" + std::string(9000, 'h'), "HTTP/1.1 431 "},
      {"no HTTP", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 hello\r\n\r\n", "HTTP/1.1 400 "},
      {"a length that is none", "POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", "HTTP/1.1 400 "},
      {"two lengths", "POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", "HTTP/1.1 400 "},
  };
  Endpoint endpoint;
  for (const auto& row : cases) {
    const auto& [what, bytes, want] = row;
    CAPTURE(row.what);
    RawClient client(endpoint.path);
    client.send(bytes);
    client.shutdown_send();
    const auto answer = client.read_to_end();
    CHECK(answer.substr(0, want.size()) == want);
    CHECK((has(answer, "200 OK") || has(answer, R"({"error":")")));
    RawClient next(endpoint.path);
    next.send(get("/next"));
    CHECK(has(next.read_until("}\n"), "/next"));
  }
}

TEST_CASE("whoever is silent, slow or half gone is cut off after the read timeout") {
  struct {
    std::string what, bytes;
  } const cases[] = {
      {"silent", ""},
      {"half a header", "GET /v1/st"},
      {"half a body", "POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\n12345"},
  };
  Endpoint endpoint({.read_timeout = 50ms});
  for (const auto& row : cases) {
    const auto& [what, bytes] = row;
    CAPTURE(row.what);
    RawClient client(endpoint.path);
    client.send(bytes);
    CHECK(client.read_to_end() == "");
  }
}

TEST_CASE("bytes that trickle in do not extend the time for a request") {
  Endpoint endpoint({.read_timeout = 100ms});
  RawClient client(endpoint.path);
  const auto begin = std::chrono::steady_clock::now();
  while (client.send("x") && std::chrono::steady_clock::now() - begin < 10s) std::this_thread::sleep_for(5ms);
  CHECK(std::chrono::steady_clock::now() - begin < 5s);
}

TEST_CASE("a client that vanishes with half a request costs nothing") {
  Endpoint endpoint({.max_connections = 2});
  for (int i = 0; i < 50; ++i) RawClient(endpoint.path).send("POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\n123");
  RawClient client(endpoint.path);
  client.send(get("/alive"));
  CHECK(has(client.read_until("}\n"), "/alive"));
}

TEST_CASE("callers above the bound wait until a connection ends, and are then served") {
  Endpoint endpoint({.max_connections = 2, .read_timeout = 200ms});
  RawClient first(endpoint.path), second(endpoint.path);
  first.send(get("/first"));
  second.send(get("/second"));
  CHECK(has(first.read_until("}\n"), "/first"));
  CHECK(has(second.read_until("}\n"), "/second"));
  RawClient third(endpoint.path);  // both hold their connection open and say nothing more
  third.send(get("/third"));
  CHECK(has(third.read_until("}\n"), "/third"));
}

TEST_CASE("one user's callers above his bound wait for his own, in their order, and nobody else does") {
  Endpoint endpoint({.socket = {.path = "", .mode = 0666}, .max_per_user = 2});
  RawClient first(endpoint.path), second(endpoint.path), third(endpoint.path), fourth(endpoint.path);
  first.send(get("/first"));
  second.send(get("/second"));
  CHECK(has(first.read_until("}\n"), "/first"));
  CHECK(has(second.read_until("}\n"), "/second"));
  third.send(get("/third"));
  fourth.send(get("/fourth"));
  if (::getuid() == 0) {
    namespace fs = std::filesystem;
    fs::permissions(fs::path(endpoint.path).parent_path(), fs::perms::group_exec, fs::perm_options::add);
    const auto nobody = client_of(65534, endpoint.path);
    REQUIRE(nobody->connected());
    nobody->send(get("/nobody"));
    CHECK(has(nobody->read_until("}\n"), R"("uid":65534)"));
  }
  CHECK_FALSE(third.has_news());
  first.close();
  CHECK(has(third.read_until("}\n"), "/third"));
  CHECK_FALSE(fourth.has_news());
  second.close();
  CHECK(has(fourth.read_until("}\n"), "/fourth"));
}

TEST_CASE("a caller that went away while it waited costs the next one nothing, and one too many is hung up on") {
  Endpoint endpoint({.max_per_user = 1, .max_waiting = 2});
  RawClient first(endpoint.path);
  first.send(get("/first"));
  CHECK(has(first.read_until("}\n"), "/first"));
  RawClient gone(endpoint.path), patient(endpoint.path), excess(endpoint.path);
  patient.send(get("/patient"));
  CHECK(excess.read_to_end() == "");
  gone.close();
  first.close();
  CHECK(has(patient.read_until("}\n"), "/patient"));
}

TEST_CASE("who does not take his answer loses his place after the write timeout") {
  const ListenerSettings settings{.max_per_user = 1, .read_timeout = 60s, .write_timeout = 100ms};
  Endpoint endpoint(settings, [](const RawRequest& raw) {
    return Response{.body = {{"target", raw.target}, {"text", std::string(raw.target == "/long" ? 3'000'000 : 1, 't')}}};
  });
  RawClient idle(endpoint.path), next(endpoint.path);
  idle.send(get("/long"));
  next.send(get("/next"));
  CHECK(has(next.read_until("}\n"), "/next"));
}

TEST_CASE("what the service throws is a 500, a line of trouble, and not the end") {
  std::string trouble;  // read only after the answer has come
  Endpoint endpoint(
      {}, [](const RawRequest&) -> Response { throw std::runtime_error("boom"); },
      [&](std::string_view text) { trouble = text; });
  RawClient client(endpoint.path);
  for (int i = 0; i < 2; ++i) {
    client.send(get("/"));
    const auto answer = client.read_until("}\n");
    CHECK(has(answer, "HTTP/1.1 500 "));
    CHECK_FALSE(has(answer, "boom"));
  }
  endpoint.listener->stop();
  CHECK(trouble == "admin request failed: boom");
}

TEST_CASE("a 405 names the methods that exist") {
  Endpoint endpoint({}, [](const RawRequest&) { return Response{.status = 405, .body = {}, .allow = "GET, PUT"}; });
  RawClient client(endpoint.path);
  client.send(get("/"));
  CHECK(has(client.read_until("}\n"), "\r\nAllow: GET, PUT\r\n"));
}

TEST_CASE("an answer larger than every buffer arrives whole") {
  Endpoint endpoint({}, [](const RawRequest&) { return Response{.body = {{"text", std::string(20'000'000, 't')}}}; });
  RawClient client(endpoint.path);
  client.send("GET / HTTP/1.1\r\nConnection: close\r\n\r\n");
  CHECK(client.read_to_end().size() > 20'000'000);
}

TEST_CASE("stopping ends every connection, removes the socket and frees the path") {
  Endpoint endpoint;
  RawClient idle(endpoint.path), served(endpoint.path), half(endpoint.path);
  served.send(get("/"));
  CHECK(has(served.read_until("}\n"), "200 OK"));
  half.send("GET /v1");
  endpoint.listener->stop();
  CHECK(idle.read_to_end() == "");
  CHECK(served.read_to_end() == "");
  CHECK(half.read_to_end() == "");
  CHECK_FALSE(std::filesystem::exists(endpoint.path));
  CHECK(Listener::start({.socket = {.path = endpoint.path}}, echo, no_trouble).has_value());
  endpoint.listener->stop();  // a second time does nothing
}

TEST_CASE("what is prompt is answered while everything else waits for the store") {
  std::latch entered(2), leave(1);
  const auto slow = [&](const RawRequest& raw) {
    if (raw.target == "/prompt") return echo(raw);
    entered.count_down();
    leave.wait();
    return echo(raw);
  };
  Endpoint endpoint({.workers = 2, .is_prompt = [](const RawRequest& raw) { return raw.target == "/prompt"; }}, slow);
  RawClient one(endpoint.path), other(endpoint.path), third(endpoint.path), prompt(endpoint.path);
  one.send(get("/one"));
  other.send(get("/other"));
  entered.wait();
  third.send(get("/third"));
  prompt.send(get("/prompt"));
  CHECK(has(prompt.read_until("}\n"), "/prompt"));
  CHECK_FALSE(third.has_news());
  leave.count_down();
  CHECK(has(one.read_until("}\n"), "/one"));
  CHECK(has(other.read_until("}\n"), "/other"));
}

TEST_CASE("stopping waits for the call that runs") {
  std::latch entered(1), leave(1);
  std::atomic<bool> finished = false;
  Endpoint endpoint({}, [&](const RawRequest&) {
    entered.count_down();
    leave.wait();
    finished = true;
    return Response{};
  });
  RawClient client(endpoint.path);
  client.send(get("/"));
  entered.wait();
  auto stopped = std::async(std::launch::async, [&] { endpoint.listener->stop(); });
  CHECK(stopped.wait_for(20ms) == std::future_status::timeout);
  leave.count_down();
  stopped.get();
  CHECK(finished);
}

TEST_CASE("a caller that is accepted in the moment of the stop does not hold it up") {
  std::latch entered_first(1), entered_second(1), leave_first(1), leave_second(1);
  // All on the listener's thread.
  Endpoint endpoint({.is_prompt = [](const RawRequest&) { return true; }}, [&](const RawRequest& raw) {
    (raw.target == "/first" ? entered_first : entered_second).count_down();
    (raw.target == "/first" ? leave_first : leave_second).wait();
    return Response{};
  });
  RawClient first(endpoint.path), second(endpoint.path);
  second.send("GET ");
  first.send(get("/first"));
  entered_first.wait();
  // In one look at its sockets the thread now finds the second request and two callers. The order to stop comes while it
  // is in the service; then it takes the one caller, and the other at once with him, behind the order.
  second.send("/second HTTP/1.1\r\nHost: x\r\n\r\n");
  const RawClient late(endpoint.path), later(endpoint.path);
  leave_first.count_down();
  entered_second.wait();
  auto stopped = std::async(std::launch::async, [&] { endpoint.listener->stop(); });
  CHECK(stopped.wait_for(20ms) == std::future_status::timeout);
  leave_second.count_down();
  CHECK(stopped.wait_for(3s) == std::future_status::ready);  // the read timeout is 5 s
  stopped.get();
}

TEST_CASE("a byte that is no UTF-8 costs nobody the answer") {
  Endpoint endpoint({}, [](const RawRequest&) { return Response{.body = {{"caf\xE9", "\xE9\"\xE2\x82"}, {"next", "ok"}}}; });
  RawClient client(endpoint.path);
  client.send(get("/"));
  const auto answer = client.read_until("}\n");
  boost::json::error_code error;
  const auto body = boost::json::parse(answer.substr(answer.find("\r\n\r\n") + 4), error);
  REQUIRE_FALSE(error);
  CHECK(body == boost::json::value{{"caf\uFFFD", "\uFFFD\"\uFFFD\uFFFD"}, {"next", "ok"}});
}

TEST_CASE("two daemons on one path: the second does not start, the first goes on serving") {
  Endpoint endpoint;
  const auto second = Listener::start({.socket = {.path = endpoint.path}}, echo, no_trouble);
  REQUIRE_FALSE(second.has_value());
  CHECK(has(second.error(), "already listens on " + endpoint.path));
  RawClient client(endpoint.path);
  client.send(get("/still"));
  CHECK(has(client.read_until("}\n"), "/still"));
}
