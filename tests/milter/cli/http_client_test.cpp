#include "milter/cli/http_client.hpp"

#include <doctest/doctest.h>

#include <fcntl.h>

#include <fstream>
#include <thread>

#include "milter/admin/handlers.hpp"
#include "milter/admin/listener.hpp"
#include "tests/milter/admin/raw_client.hpp"
#include "tests/milter/admin/scripted_operations.hpp"
#include "tests/milter/admin/temporary_directory.hpp"

using namespace milter::cli;
using namespace std::chrono_literals;
namespace admin = milter::admin;

namespace {

void no_trouble(std::string_view) {}

std::unique_ptr<admin::Listener> listen(const std::string& path, admin::Service service) {
  auto listener = admin::Listener::start({.socket = {.path = path}}, std::move(service), no_trouble);
  REQUIRE(listener.has_value());
  return std::move(*listener);
}

/// A server that says `answer` whatever it is asked, and then keeps silent or hangs up.
class StubbornServer {
 public:
  enum class Then { hang_up, silent };

  StubbornServer(const std::string& path, std::string answer, Then then) {
    auto file = admin::SocketFile::listen({.path = path});
    REQUIRE(file.has_value());
    socket_ = admin::FileDescriptor(file->release_descriptor());
    ::fcntl(socket_.get(), F_SETFL, 0);
    file_ = std::make_unique<admin::SocketFile>(std::move(*file));
    thread_ = std::thread([this, answer, then] { serve(answer, then); });
  }
  ~StubbornServer() {
    ::shutdown(socket_.get(), SHUT_RDWR);
    thread_.join();
  }

 private:
  void serve(const std::string& answer, Then then) {
    const admin::FileDescriptor client(::accept(socket_.get(), nullptr, nullptr));
    char buffer[4096];
    if (!client.is_open() || ::recv(client.get(), buffer, sizeof buffer, 0) <= 0) return;
    (void)::send(client.get(), answer.data(), answer.size(), MSG_NOSIGNAL);
    while (then == Then::silent && ::recv(client.get(), buffer, sizeof buffer, 0) > 0) {
    }
  }

  admin::FileDescriptor socket_;
  std::unique_ptr<admin::SocketFile> file_;
  std::thread thread_;
};

Failure failure_of(const std::string& path, std::chrono::milliseconds patience = 5s) {
  const auto answer = HttpClient(path, patience).ask({"GET", "/v1/status"});
  REQUIRE_FALSE(answer.has_value());
  return answer.error();
}

}  // namespace

TEST_CASE("the client, the listener, the routes and the operations understand each other") {
  const test::TemporaryDirectory directory;
  test::ScriptedOperations operations;
  const admin::Router router(admin::routes_for(operations));
  const auto listener = listen(directory / "a.sock", [&](const admin::RawRequest& raw) { return router.handle(raw); });
  HttpClient client(directory / "a.sock", 5s);
  const auto answer = client.ask({"POST", "/v1/identities/user%3Abob/release", {{"reason", "über\"quoted\""}}});
  REQUIRE(answer.has_value());
  CHECK(answer->status == 200);
  CHECK(answer->text == "{\"ok\":true}\n");
  CHECK(answer->body.at("ok").as_bool());
  const auto missing = client.ask({"GET", "/v1/nothing"});
  REQUIRE(missing.has_value());
  CHECK(missing->status == 404);
  listener->stop();
  REQUIRE(operations.asked.size() == 1);
  CHECK(operations.asked.front().starts_with("release user:bob reason=über\"quoted\" by="));
}

TEST_CASE("an answer of many megabytes arrives whole") {
  const test::TemporaryDirectory directory;
  const auto listener = listen(directory / "a.sock", [](const admin::RawRequest&) {
    return admin::Response{.body = {{"text", std::string(30'000'000, 't')}}};
  });
  const auto answer = HttpClient(directory / "a.sock", 30s).ask({"GET", "/"});
  REQUIRE(answer.has_value());
  CHECK(answer->body.at("text").as_string().size() == 30'000'000);
}

TEST_CASE("a request that is refused for its size is told so") {
  const test::TemporaryDirectory directory;
  const auto listener = listen(directory / "a.sock", [](const admin::RawRequest&) { return admin::Response{}; });
  const auto answer = HttpClient(directory / "a.sock", 5s).ask({"POST", "/", {{"x", std::string(5'000'000, 'x')}}});
  REQUIRE(answer.has_value());
  CHECK(answer->status == 413);
}

TEST_CASE("who cannot be reached is named, and so is what to do") {
  const test::TemporaryDirectory directory;
  const auto missing = failure_of(directory / "no.sock");
  CHECK(missing.kind == Failure::Kind::unreachable);
  CHECK(missing.what == "cannot reach the daemon at " + (directory / "no.sock") + ": no such file");
  CHECK(missing.hint == "is sendquotad running? use --socket PATH if its admin socket is elsewhere");
  std::ofstream(directory / "file") << "x";
  CHECK(failure_of(directory / "file").what ==
        "cannot reach the daemon at " + (directory / "file") + ": nobody listens there");
  CHECK(failure_of(directory / std::string(200, 'x')).what.ends_with(": the path is too long"));
}

TEST_CASE("a daemon that does not answer costs no more than the deadline, wherever it stops") {
  const std::string head = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{";
  for (const std::string& answer : {std::string(), std::string("HTTP/1.1 2"), head}) {
    CAPTURE(answer);
    const test::TemporaryDirectory directory;
    const StubbornServer server(directory / "a.sock", answer, StubbornServer::Then::silent);
    const auto begin = std::chrono::steady_clock::now();
    const auto failure = failure_of(directory / "a.sock", 100ms);
    CHECK(failure.kind == Failure::Kind::late);
    CHECK(failure.what == "the daemon at " + (directory / "a.sock") + " does not answer in time");
    CHECK(std::chrono::steady_clock::now() - begin < 5s);
  }
}

TEST_CASE("a daemon whose queue of callers is full is waited for, up to the deadline") {
  const test::TemporaryDirectory directory;
  auto file = admin::SocketFile::listen({.path = directory / "a.sock"});
  REQUIRE(file.has_value());
  const admin::FileDescriptor socket(file->release_descriptor());
  ::listen(socket.get(), 0);  // a queue of one, and nobody accepts
  const test::RawClient first(directory / "a.sock");
  const auto failure = failure_of(directory / "a.sock", 100ms);
  CHECK(failure.kind == Failure::Kind::late);
}

TEST_CASE("what is not our daemon is recognised") {
  struct {
    std::string answer;
    Failure::Kind want;
  } const cases[] = {
      {"", Failure::Kind::unreachable},  // hung up without a word
      {"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", Failure::Kind::unreachable},
      {"220 mail.example.com ESMTP\r\n", Failure::Kind::garbled},
      {"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>", Failure::Kind::garbled},
      {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]", Failure::Kind::garbled},
  };
  for (const auto& row : cases) {
    const auto& [answer, want] = row;
    CAPTURE(row.answer);
    const test::TemporaryDirectory directory;
    const StubbornServer server(directory / "a.sock", answer, StubbornServer::Then::hang_up);
    CHECK(failure_of(directory / "a.sock").kind == want);
  }
}
