#include "quota/store/redis_eviction.hpp"

#include <doctest/doctest.h>

#include "tests/quota/store/topology_rig.hpp"
#include "tests/support/redis_server.hpp"

namespace quota::test {
namespace {

using ::test::RedisServer;

/// A store on one server, asked for its policy each 50 ms, and what was told of it.
struct Watched {
  explicit Watched(const std::string& url) : address(*RedisAddress::parse(url)) {
    REQUIRE(topology.wait_for_first_look(Clock::now() + 5s));
    eviction.emplace(topology, address.login, resolver,
                     RedisEvictionOptions{.every = 50ms, .retry_after = 50ms, .look_for_new_every = 10ms,
                                          .tell = [this](const std::string& server, const std::string& policy) {
                                            const std::lock_guard lock(mutex);
                                            told.push_back(server + ": " + policy);
                                          }});
  }
  [[nodiscard]] std::vector<std::string> all_told() {
    const std::lock_guard lock(mutex);
    return told;
  }

  std::mutex mutex{};
  std::vector<std::string> told{};
  RedisAddress address;
  Resolver resolver{};
  RedisTopology topology{address, resolver};
  std::optional<RedisEviction> eviction{};
};

TEST_CASE("a server that throws data away when it is full is told once, and once when it does no longer") {
  RedisServer server({"maxmemory-policy allkeys-lru"});
  Watched store(server.unix_url());
  const auto name = server.socket_path();
  CHECK(comes_true([&] { return !store.all_told().empty(); }));
  std::this_thread::sleep_for(300ms);  // what must not happen has had six looks to happen
  CHECK(store.all_told() == std::vector<std::string>{name + ": allkeys-lru"});
  server.ask("CONFIG SET maxmemory-policy volatile-ttl");
  CHECK(comes_true([&] { return store.all_told().size() == 2; }));
  server.kill();
  std::this_thread::sleep_for(200ms);  // no answer says nothing
  CHECK(store.all_told() == std::vector<std::string>{name + ": allkeys-lru", name + ": volatile-ttl"});
  server.restart();
  CHECK(comes_true([&] { return store.all_told().size() == 3; }));  // as in its file
  server.ask("CONFIG SET maxmemory-policy noeviction");
  REQUIRE(comes_true([&] { return store.all_told().size() == 4; }));
  CHECK(store.all_told().back() == name + ": ");
}

TEST_CASE("a server that evicts nothing, or does not let us know, is told nothing about") {
  RedisServer server({"maxmemory-policy allkeys-lru", "user judge on nopass ~* &* +@all -info"}), well;
  Watched silent(server.unix_url() + "?user=judge&password=x"), good(well.unix_url());
  std::this_thread::sleep_for(300ms);
  CHECK(silent.all_told().empty());
  CHECK(good.all_told().empty());
}

}  // namespace
}  // namespace quota::test
