#include "quota/store/resolver.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <boost/asio/ip/tcp.hpp>
#include <future>

using namespace quota;
using namespace std::chrono_literals;

namespace {

using Clock = std::chrono::steady_clock;

Endpoint endpoint(const char* address, std::uint16_t port) {
  return boost::asio::ip::tcp::endpoint(boost::asio::ip::make_address(address), port);
}

template <class Condition>
bool comes_true(Condition condition) {
  for (const auto end = Clock::now() + 5s; Clock::now() < end;)
    if (condition()) return true;
  return false;
}

}  // namespace

TEST_CASE("what is no name needs no look-up") {
  Resolver resolver(
      [](const TcpServer&) -> std::vector<Endpoint> {
        FAIL("looked up");
        return {};
      },
      1h);
  CHECK(resolver.addresses(TcpServer{"127.0.0.1", 7}) == std::vector{endpoint("127.0.0.1", 7)});
  CHECK(resolver.addresses(TcpServer{"::1", 7}) == std::vector{endpoint("::1", 7)});
  CHECK(resolver.addresses(UnixServer{"/run/x"}).size() == 1);
}

TEST_CASE("nobody waits for a name server that does not answer, not even the end of the program") {
  std::promise<void> answer;
  auto answered = answer.get_future().share();
  {
    Resolver resolver(
        [answered](const TcpServer&) -> std::vector<Endpoint> {
          answered.wait();
          return {};
        },
        1h);
    const TcpServer server{"redis.example", 6379};
    CHECK(resolver.addresses(server).empty());
    const auto started = Clock::now();
    CHECK(resolver.wait_for_addresses(server, started + 50ms).empty());
    CHECK(Clock::now() - started <= 100ms);
  }
  answer.set_value();
}

TEST_CASE("the last good addresses are kept through look-ups that fail, and new ones are taken over") {
  std::atomic<int> lookups = 0;
  Resolver resolver(
      [&](const TcpServer& server) -> std::vector<Endpoint> {
        const int number = ++lookups;
        if (number == 1 || number == 3) return {};
        return {endpoint(number < 4 ? "192.0.2.1" : "192.0.2.2", server.port)};
      },
      1ms);
  const TcpServer server{"redis.example", 6379};
  CHECK(resolver.wait_for_addresses(server, Clock::now() + 5s).size() == 1);
  CHECK(comes_true([&] {
    const auto now = resolver.addresses(server);
    CHECK(now.size() == 1);
    return now == std::vector{endpoint("192.0.2.2", 6379)};
  }));
}

TEST_CASE("a refresh that is asked for comes soon, but not at every request") {
  std::atomic<int> lookups = 0;
  const auto started = Clock::now();
  Resolver resolver(
      [&](const TcpServer& server) -> std::vector<Endpoint> {
        ++lookups;
        return {endpoint("192.0.2.1", server.port)};
      },
      1h);
  REQUIRE(resolver.wait_for_addresses(TcpServer{"redis.example", 6379}, Clock::now() + 5s).size() == 1);
  CHECK(comes_true([&] {
    resolver.refresh_soon();
    return lookups == 2;
  }));
  CHECK(Clock::now() - started >= 900ms);
}

TEST_CASE("localhost is a name that the system resolves") {
  Resolver resolver;
  const auto found = resolver.wait_for_addresses(TcpServer{"localhost", 6379}, Clock::now() + 5s);
  REQUIRE(!found.empty());
  CHECK((found[0] == endpoint("127.0.0.1", 6379) || found[0] == endpoint("::1", 6379)));
}
