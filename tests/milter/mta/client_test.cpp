#include "milter/mta/client.hpp"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <optional>
#include <thread>

#include "tests/milter/mta/fake_milter.hpp"

using namespace milter::mta;
using namespace std::chrono_literals;
using namespace std::string_literals;
using Kind = ClientError::Kind;
using Then = FakeMilter::Then;

namespace {

std::string agreed() { return "\0\0\0\x0dO\0\0\0\6\0\0\0\0\0\0\0\0"s; }

std::string then(const Packet& packet) {
  auto bytes = agreed();
  append_packet(bytes, packet.code, packet.data);
  return bytes;
}

/// Short only where nothing will come: a busy machine must not turn another failure into this one.
std::chrono::milliseconds patience_for(Kind want) { return want == Kind::timed_out ? 50ms : 10s; }

}  // namespace

TEST_CASE("a milter is reached over every network of the notation") {
  using Network = FakeMilter::Network;
  for (const auto network : {Network::unix_path, Network::inet, Network::inet6}) {
    const FakeMilter milter(then({'a', ""}), Then::keep_silent, network);
    CAPTURE(milter.address());
    auto client = Client::open(milter.address());
    REQUIRE_MESSAGE(client.has_value(), client.error().what);
    const auto answer = client->connect("h", client_address("192.0.2.1", 1));
    REQUIRE(answer.has_value());
    CHECK(answer->verdict == Verdict::accept);
  }
}

TEST_CASE("no milter, no client") {
  const TemporaryDirectory directory;
  CHECK(Client::open("nonsense").error().kind == Kind::bad_address);
  CHECK(Client::open("unix:" + directory.file("nobody")).error().kind == Kind::cannot_connect);
  CHECK(Client::open("inet:1@127.0.0.1").error().kind == Kind::cannot_connect);
}

TEST_CASE("a milter that is there for others only is told from one that is not there") {
  if (::getuid() != 0) return;  // nothing is closed to root, and only root can become somebody else
  const FakeMilter milter(agreed(), Then::keep_silent);
  const auto path = milter.address().substr(milter.address().find(':') + 1);
  REQUIRE(::chmod(path.c_str(), 0600) == 0);
  std::optional<Kind> kind;
  std::thread([&] {
    ::syscall(SYS_setresuid, -1, 65534, -1);  // of this thread alone, which ends as that
    kind = Client::open(milter.address()).error().kind;
  }).join();
  CHECK(kind == Kind::denied);
}

TEST_CASE("a milter that negotiates badly is left at once") {
  const struct {
    const char* what;
    std::string says;
    Then then;
    Kind want;
  } cases[] = {
      {"silence", "", Then::keep_silent, Kind::timed_out},
      {"half a packet", "\0\0\0\x0dO\0"s, Then::keep_silent, Kind::timed_out},
      {"hangs up", "", Then::hang_up, Kind::closed},
      {"hangs up within a packet", "\0\0\0\x0dO\0"s, Then::hang_up, Kind::closed},
      {"length 0", "\0\0\0\0"s, Then::keep_silent, Kind::protocol},
      {"2 GiB", "\x7f\xff\xff\xffO"s, Then::keep_silent, Kind::protocol},
      {"another reply", "\0\0\0\1c"s, Then::keep_silent, Kind::protocol},
      {"too short", "\0\0\0\5O\0\0\0\6"s, Then::keep_silent, Kind::protocol},
  };
  for (const auto& row : cases) {
    CAPTURE(row.what);
    const FakeMilter milter(row.says, row.then);
    const auto client = Client::open(milter.address(), {.step_timeout = patience_for(row.want), .offer = {}});
    REQUIRE(client.has_error());
    CHECK(client.error().kind == row.want);
  }
}

TEST_CASE("a failure is the end of the conversation, and stays it") {
  const struct {
    const char* what;
    std::string says;
    Then then;
    Kind want;
  } cases[] = {
      {"silence", agreed(), Then::keep_silent, Kind::timed_out},
      {"hangs up", agreed(), Then::hang_up, Kind::closed},
      {"progress without end", then({'p', ""}), Then::keep_silent, Kind::timed_out},
      {"a quarantine at connect", then({'q', "x\0"s}), Then::keep_silent, Kind::protocol},
      {"an unknown reply", then({'!', ""}), Then::keep_silent, Kind::protocol},
      {"a reply without a code", then({'y', "go away\0"s}), Then::keep_silent, Kind::protocol},
  };
  for (const auto& row : cases) {
    CAPTURE(row.what);
    const FakeMilter milter(row.says, row.then);
    auto client = Client::open(milter.address());
    REQUIRE(client.has_value());
    client->set_step_timeout(patience_for(row.want));
    const auto first = client->connect("h", client_address("192.0.2.1", 1));
    REQUIRE(first.has_error());
    CHECK(first.error().kind == row.want);
    const auto second = client->helo("h");
    REQUIRE(second.has_error());
    CHECK(second.error().what == first.error().what);
    CHECK(client->quit().has_error());
  }
}

TEST_CASE("one answer does not serve two events") {
  const FakeMilter milter(then({'t', ""}), Then::keep_silent);
  auto client = Client::open(milter.address());
  REQUIRE(client.has_value());
  CHECK(client->connect("h", client_address("192.0.2.1", 1))->verdict == Verdict::tempfail);
  client->set_step_timeout(patience_for(Kind::timed_out));
  CHECK(client->helo("h").error().kind == Kind::timed_out);
}

TEST_CASE("nobody says anything after goodbye") {
  const FakeMilter milter(agreed(), Then::keep_silent);
  auto client = Client::open(milter.address());
  REQUIRE(client.has_value());
  CHECK(client->quit().has_value());
  CHECK(client->helo("h").error().kind == Kind::closed);
}
